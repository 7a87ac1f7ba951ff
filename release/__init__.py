"""From a trained student to a bundle that may serve: measured on held-out requests, gated, calibrated, described.

In: a student, its teachers' scores and the log. Out: a bundle with its card, or a refusal. Knows nothing of a
running service.
"""
