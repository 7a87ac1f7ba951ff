"""A product of the whole workspace made anew: planned, made in parts beside the version in use, verified, switched to.

In: what the jobs and the service read. Out: versions of a product, each a folder of Parquet parts with one manifest,
and one pointer to the version in use. It knows no HTTP and trains nothing.
"""
