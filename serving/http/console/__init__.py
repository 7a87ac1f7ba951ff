"""Pages for people over a running service: ask it as a member would, read an advert, see why it was found.

In: forms. Out: HTML, made on the server, without a script. What is asked here is a try: it is answered as any request
is, and neither logged nor counted as shown to anybody.
"""
