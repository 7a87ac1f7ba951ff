"""The online order: a bundle and candidates in; an order with calibrated probabilities and reasons out.

Service and replay rank by this same code, and check here what may be shown. Must not know: PyTorch, how a student was
trained, nor who asks for the order.
"""
