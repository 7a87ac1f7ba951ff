"""The golden set: pairs that people grade, and what is measured by them.

In: records, past requests and people's grades. Out: pairs, sheets, agreement, the pairs that a changed policy would
grade otherwise, and whether a judge may label. Must not know how a judge works.
"""
