"""What an advert says in its own words, where no field of it does.

In: title and description of one advert, and lists that people edit (`languages/`, `skills.yaml`). Out: values for the
fields that are empty, and the sentences that tell of the work. Knows no board, no file of records and no model.
"""
