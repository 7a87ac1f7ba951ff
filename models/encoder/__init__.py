"""The retrieval encoder: member and job text in; one vector a text out, as it comes or learned from the log.

In: a backbone and past requests. Out: an ONNX encoder. Knows no teacher and no ranking.
"""
