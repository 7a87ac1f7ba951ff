"""Past requests asked again of anything: a bundle, an index, a baseline, another engine's answers.

In: a workspace, who answers and which requests. Out: a run folder that repeats itself byte for byte, and the numbers of
every request in it, by which two runs are compared (`replay.diff`).
"""
