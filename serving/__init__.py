"""The service: a bundle, an index and a feature repository in; HTTP answers and a log of what was shown out.

One request: features -> candidates -> ranks -> rules -> answer -> log. Knows no model but an exported bundle.
"""
