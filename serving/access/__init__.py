"""Who may ask the service what: keys with scopes, tokens of members, limits of rate.

In: a secret or a token that was sent. Out: a caller and what it may do. Knows nothing of HTTP.
"""
