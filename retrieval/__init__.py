"""Candidate selection: job vectors, words, attributes and activity in; candidates out, and which source found each.

Usable alone: it knows no model but an exported encoder, and neither Feast nor Beam.
"""
