"""The golden set: pairs drawn for people to grade in; sheets, agreement and whether a judge may label out.

In: records, past requests and people's grades. Out: pairs, sheets and agreement. Trains nothing.
"""
