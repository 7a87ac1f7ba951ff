"""Time, decided once for all folders: which version of a row was known at a moment, and which jobs were open then.

In: versions with their times, and moments. Out: row numbers and masks. Knows no file, no index and no clock.
"""
