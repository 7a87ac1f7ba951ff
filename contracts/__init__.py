"""What the folders say to each other: records and their Arrow schemas, text, tasks, feature names, paths, errors.

Nothing here opens a network, loads a model or knows another folder.
"""
