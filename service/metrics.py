"""Every metric, once. Labels are bounded: nothing that a client sends becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.domain import FinishReason, ModelDescription

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Load:
    """What others count, read when somebody asks for the metrics."""

    waiting_items: int = 0
    waiting_characters: int = 0
    waiting_sentences: int = 0
    engine_steps: int = 0
    engine_rows: int = 0
    cache_hits: int = 0
    cache_joined: int = 0
    cache_misses: int = 0
    cache_entries: int = 0
    cache_bytes: int = 0
    models: Sequence[ModelDescription] = ()
    """Those that are in memory and served."""
    model_bytes: int = 0


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.read_load: Callable[[], Load] = Load
        self._registry = CollectorRegistry()
        self._registry.register(_LoadCollector(self))
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
            "seq2seq_sentences",
            "Sentences translated; through a pivot, once by each model.",
            registry=self._registry,
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
        self.queue_seconds = Histogram(
            "seq2seq_queue_seconds",
            "From handing a sentence to the engine until it joins a batch.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.decode_seconds = Histogram(
            "seq2seq_decode_seconds",
            "From joining a batch to the end of the sentence's translation.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.requests_in_progress = Gauge(
            "seq2seq_requests_in_progress", "Requests without an answer.", registry=self._registry
        )
        self.errors = Counter(
            "seq2seq_errors",
            "Requests that ended in an error that the service foresees, by its kind.",
            ["kind"],
            registry=self._registry,
        )
        self.model_loads = Counter(
            "seq2seq_model_loads",
            "Models that were loaded, or could not be.",
            ["outcome"],
            registry=self._registry,
        )
        self.model_unloads = Counter(
            "seq2seq_model_unloads",
            "Models that were unloaded, by why: asked, replaced, budget.",
            ["reason"],
            registry=self._registry,
        )
        self.rejections = Counter(
            "seq2seq_rejections",
            "Requests refused for want of room (items, characters) or while draining, by their "
            "priority; those that are refused before their body is read are unread.",
            ["reason", "priority"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        for reason in FinishReason:
            self.finished.labels(reason.value)

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(_WithoutCreationTimes(self._registry))


class _LoadCollector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        load = self._metrics.read_load()
        yield GaugeMetricFamily(
            "seq2seq_waiting_items", "Texts accepted and not yet answered.", load.waiting_items
        )
        yield GaugeMetricFamily(
            "seq2seq_waiting_characters",
            "Characters accepted and not yet answered.",
            load.waiting_characters,
        )
        yield GaugeMetricFamily(
            "seq2seq_waiting_sentences", "Sentences not begun yet.", load.waiting_sentences
        )
        yield CounterMetricFamily("seq2seq_engine_steps", "Decoder steps.", load.engine_steps)
        yield CounterMetricFamily(
            "seq2seq_engine_rows",
            "Rows computed by the decoder steps; divided by the steps, the mean batch.",
            load.engine_rows,
        )
        yield from _cache_families(load)
        yield from _model_families(load)


def _cache_families(load: Load) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "seq2seq_cache_hits", "Sentences answered from the cache.", load.cache_hits
    )
    yield CounterMetricFamily(
        "seq2seq_cache_joined",
        "Sentences that got the result of an equal one that was under way.",
        load.cache_joined,
    )
    yield CounterMetricFamily(
        "seq2seq_cache_misses",
        "Sentences that the cache had to have decoded.",
        load.cache_misses,
    )
    yield GaugeMetricFamily("seq2seq_cache_entries", "Sentences in the cache.", load.cache_entries)
    yield GaugeMetricFamily(
        "seq2seq_cache_bytes", "Estimated memory of the cache.", load.cache_bytes
    )


def _model_families(load: Load) -> Iterator[Metric]:
    info = InfoMetricFamily(
        "seq2seq_model", "What is served, and where.", labels=["name", "version"]
    )
    for model in load.models:
        told = asdict(model)
        info.add_metric([told.pop("name"), told.pop("version")], told)
    yield info
    yield GaugeMetricFamily("seq2seq_models_loaded", "Models in memory.", len(load.models))
    yield GaugeMetricFamily(
        "seq2seq_models_bytes", "Estimated memory of models in memory.", load.model_bytes
    )


class _WithoutCreationTimes(Collector):
    """Prometheus has no use for the gauge that accompanies every counter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
