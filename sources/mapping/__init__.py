"""From the names and words of a file to fields and values of a record.

Without a mapping a column is the field whose name it has, in any case and with spaces, dots or hyphens. A mapping file,
which people edit, says the rest: which column is which field, and which word is which value.
"""
