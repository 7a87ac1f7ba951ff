"""What the service counts, in Prometheus' text format, every name with the prefix `rolecall_`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
JOBS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
CHANGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """One registry a service, so that two in a process do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.stage_seconds = Histogram(
            "rolecall_stage_seconds",
            "Time in one stage of a request.",
            ["stage"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "rolecall_request_seconds", "Time of a request.", ["path"], buckets=SECONDS, registry=self._registry
        )
        self.requests = self._counter("requests", "Requests by path and HTTP status.", "path", "status")
        self.degraded = self._counter("degraded", "Stages done without, by cause.", "stage", "cause")
        self.queue_seconds = Histogram(
            "rolecall_queue_seconds",
            "Time that a request waited for its place, by line.",
            ["line"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.admitted = self._counter("admitted", "Requests that got a place, by line and depth.", "line", "depth")
        self.shed = self._counter(
            "shed", "Requests that were turned away or given up, by line and cause.", "line", "cause"
        )
        self.running = self._gauge("running", "Requests that run, by line.", "line")
        self.waiting = self._gauge("waiting", "Requests that wait for a place, by line.", "line")
        self.limit = self._gauge("limit", "Requests that may run at once, by line.", "line")
        self.unshown = self._counter(
            "unshown", "Answers that no client was there to take: nothing was logged as shown."
        )
        self.fenced = self._counter("fenced", "Connections that were ended for what they took, by cause.", "cause")
        self.connections = self._gauge("connections", "Connections that are open.")
        self.member_vectors = self._counter(
            "member_vectors",
            "Requests with a text, by where its vectors came from: stored with the member, or encoded, since those "
            "are missing, outdated (of another text, activity or encoder), or not what is asked (a query, a profile).",
            "outcome",
        )
        self.removed_last = self._counter("removed_last", "Jobs that only the last step removed, by rule.", "rule")
        self.rule_jobs = self._counter("rule_jobs", "Jobs removed or demoted by a rule.", "rule", "action")
        self.events = self._counter("events", "Posted events by outcome.", "outcome")
        self.log_lines = self._counter("log_lines", "Lines of the log of events, by outcome.", "outcome")
        self.changes = self._counter(
            "changes", "Changes of the feed: applied, skipped as not news, bad, unknown (deletes of no job).", "outcome"
        )
        self.change_seconds = Histogram(
            "rolecall_change_seconds",
            "Time from a change's own time until the job is found.",
            buckets=CHANGE_SECONDS,
            registry=self._registry,
        )
        self.feed_running = self._gauge(
            "feed_running",
            "1 while the feed is read, 0 while it waits for an error to be gone; absent without a feed.",
            "feed",
        )
        self.refused = self._counter("refused", "Requests refused before their body was read, by cause.", "cause")
        self.breaker = Gauge(
            "rolecall_breaker_state",
            "Circuit breaker of a dependency: 0 closed, 1 half-open, 2 open.",
            ["dependency"],
            registry=self._registry,
        )
        self.news = self._counter(
            "news",
            "What services on one store tell each other: sent, read, dropped, unreadable; lines of the log skipped.",
            "outcome",
        )
        self.erased = Counter("rolecall_erased", "Members erased.", registry=self._registry)
        self.drift_sampled = self._counter("drift_sampled", "Answers of the sample for `rolecall drift`.", "outcome")
        self.trials = self._counter("trials", "Answers in trials, and lines of their log.", "what", "outcome")
        self.swaps = self._counter("swaps", "Swaps of bundle or index, by outcome.", "outcome")
        self._jobs = Gauge(
            "rolecall_jobs", "Jobs in the index, by the versions served.", ["bundle", "index"], registry=self._registry
        )
        self._served = ("", "")
        self._shown_jobs = self._histogram("shown_jobs", "Jobs of an answer that was shown.", JOBS, "surface")
        self._good_match = self._histogram(
            "good_match", "Probability of a good match of the jobs that were shown.", SHARES, "surface"
        )
        self._first_probability = self._histogram(
            "first_probability", "Probability of each task of the job that was shown first.", SHARES, "surface", "task"
        )
        self.index_built = self._gauge("index_built_timestamp_seconds", "When the index that is served was built.")
        self.features_materialized = self._gauge(
            "features_materialized_timestamp_seconds",
            "Until when the members' features were loaded into the online store; NaN where that cannot be read.",
        )
        self._gauge("processes", "1, of each process that answers at the port and was asked.").set(1)
        self._gauge("build_info", "1, by the version of Rolecall.", "version").labels(version("rolecall")).set(1)
        ProcessCollector(registry=self._registry)

    def serves(self, bundle: str, index: str, jobs: int) -> None:
        """Say which versions are served, and with how many jobs; those that were served before have none."""
        if self._served not in (("", ""), (bundle, index)):
            self._jobs.labels(*self._served).set(0)
        self._served = bundle, index
        self._jobs.labels(bundle, index).set(jobs)

    def shown(
        self, surface: str, good_matches: Sequence[float | None], probabilities: Sequence[Mapping[str, float]]
    ) -> None:
        """Count an answer that was shown.

        Args:
            surface: Its name.
            good_matches: A probability for each of its jobs, None where nobody can say.
            probabilities: Task -> probability for each of its jobs, best first.
        """
        self._shown_jobs.labels(surface).observe(len(good_matches))
        of_surface = self._good_match.labels(surface)
        for probability in good_matches:
            if probability is not None:
                of_surface.observe(probability)
        for task, probability in probabilities[0].items() if probabilities else ():
            self._first_probability.labels(surface, task).observe(probability)

    def described(self) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Name, type, meaning and labels of every metric."""
        for collector in list(self._registry._collector_to_names):  # the public `collect` has no labels without values
            for metric in collector.describe() if hasattr(collector, "describe") else collector.collect():
                name = f"{metric.name}_total" if metric.type == "counter" else metric.name
                yield name, metric.type, metric.documentation, tuple(getattr(collector, "_labelnames", ()))

    def add(self, collector: Collector) -> None:
        """Count what another part of the service counts by itself, each time that somebody asks."""
        self._registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"rolecall_{name}", about, labels, registry=self._registry)

    def _histogram(self, name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"rolecall_{name}", about, labels, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"rolecall_{name}", about, labels, registry=self._registry)
