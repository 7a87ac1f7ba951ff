"""Vector search: vectors and a mask in; the best rows and their scores out, exact or by FAISS.

In: float32, float16 or int8 vectors. Out: row numbers and scores. Knows no filter, no job and no text.
"""
