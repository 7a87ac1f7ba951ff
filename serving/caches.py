"""What a service remembers between requests, so that a second page or a member who comes back costs no model.

A cache changes no answer: what is kept is what the same call would compute again. Keys are hashes, no text is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ranking.byte_cache import ByteCache
from ranking.caching_scorer import score_caches
from ranking.encoding import Encoded
from serving.config import CacheConfig


class Caches(Collector):
    """The caches of one service, shared by the bundles that it serves one after another."""

    def __init__(self, config: CacheConfig) -> None:
        self.vectors: ByteCache[Encoded] = ByteCache(_bytes(config.vectors_mb), _size)
        self.of_scorer = score_caches(_bytes(config.prefixes_mb), _bytes(config.scores_mb))

    def clear(self) -> None:
        """Forget everything, as when a member is erased: what is kept does not say whose it is."""
        for _, cache in self._all():
            cache.clear()

    def collect(self) -> Iterator[Metric]:
        """Look-ups and bytes of each, as Prometheus reads them."""
        lookups = CounterMetricFamily(
            "rolecall_cache_lookups", "Look-ups in what is remembered between requests.", labels=["cache", "outcome"]
        )
        held = GaugeMetricFamily("rolecall_cache_bytes", "What is remembered between requests.", labels=["cache"])
        for name, cache in self._all():
            lookups.add_metric([name, "hit"], cache.hits)
            lookups.add_metric([name, "miss"], cache.misses)
            held.add_metric([name], cache.bytes)
        yield lookups
        yield held

    def _all(self) -> tuple[tuple[str, ByteCache], ...]:
        return (
            ("vectors", self.vectors),
            ("prefixes", self.of_scorer.prefixes),
            ("scores", self.of_scorer.scores),
        )


def _bytes(megabytes: float) -> int:
    return int(megabytes * 1e6)


def _size(encoded: Encoded) -> int:
    vector, titles = encoded
    return vector.nbytes + sum(of.nbytes for of in titles or ())
