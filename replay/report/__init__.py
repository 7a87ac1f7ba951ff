"""The replay's report: result rows in; one HTML page with tables and charts out.

In: result rows. Out: HTML. Computes no metric.
"""
