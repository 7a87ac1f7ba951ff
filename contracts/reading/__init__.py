"""Raw cells to values: how data spell a vocabulary, a time, pay.

In: a cell as a file or a client gives it. Out: the value that was meant, or an error with a stable reason. Knows no
record and no file.
"""
