"""The online half of the student: a bundle and candidates in; calibrated probabilities, an order and reasons out.

Knows the manifest and ONNX graphs of a bundle, and neither PyTorch nor how the student was trained.
"""
