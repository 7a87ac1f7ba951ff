"""The student: score files of teachers in; one small prefix scorer, distilled and pruned, out.

In: training sets, scores and a teacher's weights. Out: a student folder. Knows a teacher by its scores alone.
"""
