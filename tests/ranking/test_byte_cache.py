"""A cache holds what it was given last, within its bytes, whatever is asked of it in which order."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.byte_cache import ENTRY_BYTES, ByteCache, text_key

STEPS = st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 5), st.integers(1, 400)), max_size=60)


@given(STEPS, st.integers(0, 2_000))
def test_it_holds_the_last_used_within_its_bytes(steps: list[tuple[str, int, int]], most: int) -> None:
    cache: ByteCache[int] = ByteCache(most, lambda value: value)
    expected: OrderedDict[bytes, int] = OrderedDict()
    for step, number, value in steps:
        key = text_key(str(number))
        if step == "get":
            assert cache.get(key) == expected.get(key)
            if key in expected:
                expected.move_to_end(key)
            continue
        cache.put(key, value)
        expected.pop(key, None)
        if value + ENTRY_BYTES <= most:
            expected[key] = value
        while sum(kept + ENTRY_BYTES for kept in expected.values()) > most:
            expected.popitem(last=False)
        assert cache.bytes == sum(kept + ENTRY_BYTES for kept in expected.values()) <= most
    assert cache.hits + cache.misses == sum(step == "get" for step, _, _ in steps)


def test_what_could_not_be_made_is_not_kept() -> None:
    cache: ByteCache[int] = ByteCache(10_000, lambda value: value)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make(b"a", lambda: 1 // 0)
    assert cache.get_or_make(b"a", lambda: 7) == 7
    assert cache.get_or_make(b"a", lambda: 8) == 7
    cache.clear()
    assert cache.get(b"a") is None
    assert cache.bytes == 0


def test_texts_are_told_apart_by_where_they_end() -> None:
    assert text_key("ab", "c") != text_key("a", "bc")
