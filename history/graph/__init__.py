"""The job market as a graph: who opened, applied, worked, asks and offers what, and since when that was known.

`edges` reads records and events, `graph` holds the result as columns, `walks` reads neighbourhoods as of a moment,
`density` joins cold nodes to like ones, `report` counts degrees.
"""
