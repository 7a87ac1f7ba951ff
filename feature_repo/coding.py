"""Keys and values as Feast writes them into an online store."""

from __future__ import annotations

import hashlib

import orjson

from contracts.features import MEMBER_KEY


def entity_key(member_id: str, version: int) -> bytes:
    """A member's key, as Feast writes it."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=[MEMBER_KEY], entity_values=[Value(string_val=member_id)])
    return serialize_entity_key(key, entity_key_serialization_version=version)


def hashed(event_id: str) -> bytes:
    """16 bytes that stand for an id, however long it is."""
    return hashlib.blake2b(event_id.encode(errors="surrogatepass"), digest_size=16).digest()


def encoded(text: str) -> bytes:
    from feast.protos.feast.types.Value_pb2 import Value

    return Value(string_val=text).SerializeToString()


def decoded(value: bytes | None) -> str:
    """The text of a value as Feast stores it; empty for none."""
    from feast.protos.feast.types.Value_pb2 import Value

    return Value.FromString(value).string_val if value else ""


def value_of(value: bytes) -> str | bytes:
    """The text or bytes of a value as Feast stores it."""
    from feast.protos.feast.types.Value_pb2 import Value

    read = Value.FromString(value)
    return bytes(read.bytes_val) if read.HasField("bytes_val") else read.string_val


def quoted(member_id: str) -> bytes:
    """An id as it stands in an entry of the stream, which is JSON."""
    return orjson.dumps(member_id)
