"""Rules from member feedback: a document in; which jobs a request removes or demotes out.

In: rules as YAML, a request and its jobs. Out: decisions with the rule's name. Knows no score.
"""
