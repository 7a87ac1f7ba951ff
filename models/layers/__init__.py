"""The building blocks of every model: encoder backbones, low-rank adapters, and modules turned into ONNX.

In: a folder of weights. Out: torch modules and ONNX files. Knows no task, no teacher and no training set.
"""
