"""Every metric, once. Labels are bounded: nothing that a client sends becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from service.domain import FinishReason

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.model = Info("seq2seq_model", "What is served, and where.", registry=self._registry)
        self.requests = Counter(
            "seq2seq_requests",
            "Answered requests; status 499 is a client that left before its answer.",
            ["route", "status"],
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "seq2seq_request_seconds",
            "From the request's headers to the end of the answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.sentences = Counter(
            "seq2seq_sentences", "Sentences translated.", registry=self._registry
        )
        self.source_tokens = Counter(
            "seq2seq_source_tokens", "Tokens given to the encoder.", registry=self._registry
        )
        self.target_tokens = Counter(
            "seq2seq_target_tokens",
            "Tokens of the best translations; the other hypotheses are not counted.",
            registry=self._registry,
        )
        self.finished = Counter(
            "seq2seq_finished",
            "Sentences by why their best translation ended.",
            ["reason"],
            registry=self._registry,
        )
        for reason in FinishReason:
            self.finished.labels(reason.value)

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when somebody asks for the metrics."""
        Gauge(name, description, registry=self._registry).set_function(read)

    def counter(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a counter that somebody else counts, read when somebody asks for the metrics."""
        self._registry.register(_ReadCounter(name, description, read))

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _ReadCounter(Collector):
    def __init__(self, name: str, description: str, read: Callable[[], float]) -> None:
        self._name, self._description, self._read = name, description, read

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._description, value=self._read())

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._description)
