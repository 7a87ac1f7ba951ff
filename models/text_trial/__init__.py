"""Which form of texts teaches a teacher most: small teachers of each form, compared on requests that they never saw."""
