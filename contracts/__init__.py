"""What the folders say to each other, once each: records, schemas, text, time, paths, errors, registries.

In: raw values. Out: typed values, names and errors. Opens no network, loads no model and knows no other folder.
"""
