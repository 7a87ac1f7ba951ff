"""Links from what members have to what jobs ask for, learned from confirmed hires and editable by hand.

Records and events in; candidates out, each with the sentence that explains it. Knows no text model and no clock.
Source: Learning to Retrieve for Job Matching (arXiv 2402.13435), the section on auto-targeting.
"""
