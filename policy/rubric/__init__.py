"""What a policy's rubric reads of two records: titles, places, skills and pay in; grades by dimension out.

In: a member or query, a job and a policy. Out: a grade a dimension. Asks no model and opens no file.
"""
