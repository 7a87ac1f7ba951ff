"""What the retrieval encoder makes of one request, and its form as a feature of a member.

A member who asks for nothing in particular asks with their own text and activity alone, so that what the encoder makes
of them can be made beforehand. It is kept under a key of all that it hangs on: what was made of another text or other
activity, or by another encoder, has another key, and is never taken for that of the request at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ranking.byte_cache import text_key
from ranking.match import RequestTitles, encode_titles, titles_named, titles_of
from retrieval.encoder import TextEncoder
from retrieval.engines.side_by_side import ahead
from retrieval.request import Request

KEY_BYTES = 16
_FLOAT = np.dtype("<f4")


class Encoded(NamedTuple):
    """vector: (dim,) float32 of the request's text; titles: for a bundle that reads a match, else None."""

    vector: np.ndarray
    titles: RequestTitles | None


def encoding_key(encoder_version: str, request: Request) -> bytes:
    """`KEY_BYTES` bytes of all that is encoded of a request: its text, and the titles in it."""
    facts = request.facts
    return text_key(encoder_version, request.request_text, request.query, *facts.own_titles, "", *facts.wished_titles)


def encode_request(encoder: TextEncoder, request: Request, with_titles: bool = True) -> Encoded:
    """The request's text in one call of the encoder and its titles in another, at once where a core is spare.

    No other request shares its calls, since numbers of a quantised encoder hang on what shares their batch.
    """
    titles = ahead(lambda: encode_titles(encoder, request) if with_titles else None)
    return Encoded(encoder.encode([request.request_text], "request")[0], titles())


def to_feature(encoder_version: str, request: Request, encoded: Encoded) -> bytes:
    """The value of the feature: the key, then float32 of the vector and of each title that is named, each once."""
    assert encoded.titles is not None  # made with them, whatever bundle will read it
    by_title = dict(zip(titles_named(request), (vector for of in encoded.titles for vector in of), strict=True))
    vectors = [encoded.vector, *by_title.values()]
    return encoding_key(encoder_version, request) + b"".join(v.astype(_FLOAT).tobytes() for v in vectors)


def of_feature(value: bytes, encoder_version: str, dim: int, request: Request) -> Encoded | None:
    """The inverse of `to_feature`, to the bit; None for a value that was not made of this request by this encoder.

    Args:
        value: Of the feature; empty where the member has none.
        encoder_version: Of the encoder that would encode the request.
        dim: Numbers of its vectors.
        request: The request at hand.
    """
    if value[:KEY_BYTES] != encoding_key(encoder_version, request):
        return None
    named = dict.fromkeys(titles_named(request))
    if len(value) != KEY_BYTES + (1 + len(named)) * dim * _FLOAT.itemsize:
        return None  # cut off
    vector, *of_titles = np.frombuffer(value, _FLOAT, offset=KEY_BYTES).reshape(-1, dim)
    return Encoded(vector, titles_of(request, dict(zip(named, of_titles, strict=True)), dim))
