"""Teachers: training pairs in; a trained teacher and its scores of every pair out.

In: training sets and a backbone. Out: teacher folders and score files, keyed by the teacher's version. Knows nothing
of the student.
"""
