"""Models: training sets in; teachers, their scores, the student and the retrieval encoder out.

In: tables of texts, grades and actions. Out: safetensors, score files and ONNX encoders. Knows no index, service or
log.
"""
