from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decoding.search import Target, decode
from service.domain import DecodingOptions, FinishReason, Hypothesis
from service.errors import ModelFailure, ServiceError, ShuttingDown
from service.scheduling.cache import CachingDecoder, Key
from service.scheduling.engine import Engine
from service.scheduling.job import Job
from service.settings import SchedulingSettings
from tests.table_model import TableModel

TARGET = Target(start=9, end=0, vocabulary=8, max_length=200)
SECONDS = 20
"""Longest that anything here is waited for; all of it takes milliseconds."""
LARGE = 2**20


def hypotheses(source_ids: tuple[int, ...], options: DecodingOptions) -> tuple[Hypothesis, ...]:
    return decode(TableModel(TARGET), [source_ids], [options], TARGET)[0]


def job(*source_ids: int, options: DecodingOptions | None = None, deadline: float = 1.0) -> Job:
    return Job(source_ids, options or DecodingOptions(max_decoding_length=8), deadline)


def key(one: Job) -> Key:
    return Key(one.model, one.source_ids, one.options)


class Holding:
    """A decoder that answers what it is told to."""

    def __init__(self) -> None:
        self.held: list[Job] = []
        self.submitted = 0

    def submit(self, jobs: Sequence[Job]) -> None:
        self.held += jobs
        self.submitted += len(jobs)

    def answer(self, place: int = 0) -> None:
        one = self.held.pop(place)
        one.finish(hypotheses(one.source_ids, one.options))

    def fail(self, place: int = 0) -> None:
        self.held.pop(place).fail(ModelFailure("no"))


class Refusing:
    """A decoder that has stopped."""

    def submit(self, jobs: Sequence[Job]) -> None:
        raise ShuttingDown("over", 1)


class Sampling(DecodingOptions):
    """What a search that draws random numbers will look like."""

    @property
    def reproducible(self) -> bool:
        return False


def test_models_do_not_share() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    cache.submit([job(1, 2)])
    decoder.answer()
    cache.submit([replace(job(1, 2), model="other")])
    assert (decoder.submitted, cache.hits, cache.misses) == (2, 0, 2)


def test_what_is_known_is_not_decoded_again() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    first, second = job(1, 2), job(1, 2)
    cache.submit([first])
    decoder.answer()
    cache.submit([second])
    assert first.result.result(0) == second.result.result(0) == hypotheses((1, 2), first.options)
    assert (decoder.submitted, cache.hits, cache.joined, cache.misses) == (1, 1, 0, 1)
    assert cache.entries == 1


def test_equal_sentences_under_way_are_decoded_once() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    jobs = [job(1), job(2), job(1), job(1)]
    cache.submit(jobs[:3])
    cache.submit(jobs[3:])
    assert [one.source_ids for one in decoder.held] == [(1,), (2,)]
    decoder.answer()
    assert [one.result.done() for one in jobs] == [True, False, True, True]
    assert (cache.hits, cache.joined, cache.misses) == (0, 2, 2)


def test_one_that_leaves_does_not_take_the_result_from_the_others() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    first, second = job(1), job(1)
    cache.submit([first, second])
    first.result.cancel()
    assert not decoder.held[0].abandoned
    decoder.answer()
    assert second.result.result(0) == hypotheses((1,), second.options)


def test_a_sentence_that_all_have_left_is_abandoned_and_nobody_joins_it() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    first, second, third = job(1), job(1), job(1)
    cache.submit([first, second])
    first.result.cancel()
    second.result.cancel()
    assert decoder.held[0].abandoned
    cache.submit([third])
    assert len(decoder.held) == 2
    decoder.answer(1)
    assert third.result.done()


def test_a_job_that_was_left_before_it_came_waits_for_nothing() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    gone = job(1)
    gone.result.cancel()
    cache.submit([gone])
    assert all(one.abandoned for one in decoder.held)


def test_a_shared_sentence_has_the_latest_deadline() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    for deadline in (5.0, 9.0, 7.0):
        cache.submit([job(1, deadline=deadline)])
    assert [one.deadline for one in decoder.held] == [9.0]


def test_a_failure_is_shared_and_not_kept() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    jobs = [job(1), job(1)]
    cache.submit(jobs)
    decoder.fail()
    assert all(isinstance(one.result.exception(0), ModelFailure) for one in jobs)
    again = job(1)
    cache.submit([again])
    decoder.answer()
    assert again.result.result(0)


def test_a_decoder_that_refuses_leaves_nothing_to_join() -> None:
    cache = CachingDecoder(Refusing(), LARGE)
    for _ in range(2):
        with pytest.raises(ShuttingDown):
            cache.submit([job(1)])
    assert (cache.joined, cache.entries) == (0, 0)


def test_the_least_recently_used_is_forgotten() -> None:
    decoder = Holding()
    probe = CachingDecoder(decoder, LARGE)
    probe.submit([job(1)])
    decoder.answer()
    cache = CachingDecoder(decoder, int(2.5 * probe.bytes))
    for source in (1, 2, 1, 3):  # 2 is the oldest use when 3 arrives
        cache.submit([job(source)])
        if decoder.held:
            decoder.answer()
    before = cache.hits
    cache.submit([job(1), job(3), job(2)])
    assert cache.hits - before == 2
    assert [one.source_ids for one in decoder.held] == [(2,)]


def test_a_result_larger_than_the_cache_is_delivered_and_not_kept() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, 10)
    one = job(1)
    cache.submit([one])
    decoder.answer()
    assert one.result.result(0)
    assert (cache.entries, cache.bytes) == (0, 0)


def test_what_is_not_reproducible_passes_through() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    jobs = [job(1, options=Sampling()) for _ in range(2)]
    for _ in range(2):
        cache.submit(jobs)
        assert decoder.held == jobs
        decoder.held.clear()
    assert (cache.hits, cache.joined, cache.misses, cache.entries) == (0, 0, 0, 0)


def test_other_options_are_another_sentence() -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, LARGE)
    cache.submit([job(1, options=DecodingOptions(beam_size=n)) for n in (1, 2, 1)])
    assert [one.options.beam_size for one in decoder.held] == [1, 2]


def test_every_option_is_part_of_the_key() -> None:
    assert all(option.compare for option in fields(DecodingOptions))
    assert all(part.compare for part in fields(Key))


def test_no_option_makes_the_search_random() -> None:
    """Whoever adds an option adds it here, or makes DecodingOptions.reproducible look at it."""
    assert {option.name for option in fields(DecodingOptions)} == {
        "beam_size",
        "patience",
        "num_hypotheses",
        "length_penalty",
        "coverage_penalty",
        "repetition_penalty",
        "no_repeat_ngram_size",
        "suppress_sequences",
        "disable_unk",
        "end_token",
        "start",
        "target_prefix",
        "prefix_bias_beta",
        "return_alternatives",
        "min_alternative_expansion_prob",
        "sampling_topk",
        "sampling_topp",
        "sampling_temperature",
        "sampling_seed",
        "max_decoding_length",
        "max_decoding_length_ratio",
        "min_decoding_length",
        "return_attention",
        "scored_target",
    }


def test_nothing_else_of_a_job_changes_its_result() -> None:
    """Whoever adds a field to a job makes it part of the key, or adds it here."""
    assert {part.name for part in fields(Job)} == {
        "model",
        "source_ids",
        "options",
        "deadline",
        "priority",
        "result",
        "company",
        "made",
        "begun",
        "ended",
    }


def test_the_estimate_of_memory_is_close_and_not_too_low() -> None:
    draw = random.Random(0)

    def ids() -> tuple[int, ...]:
        return tuple(draw.randrange(1000, 30_000) for _ in range(20))

    class Drawing:
        def submit(self, jobs: Sequence[Job]) -> None:
            for one in jobs:
                one.finish((Hypothesis(ids(), draw.random(), FinishReason.END),))

    cache = CachingDecoder(Drawing(), 2**30)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2000):
            cache.submit([Job(ids(), DecodingOptions(), 1.0)])
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert cache.entries == 2000
    assert taken < cache.bytes < 1.5 * taken


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(SchedulingSettings()).running() as engine:
        engine.add("", TableModel(TARGET), TARGET)
        yield engine


@pytest.mark.parametrize("max_bytes", [1, 5_000, LARGE])
def test_an_engine_behind_a_cache_gives_what_it_gives_alone(engine: Engine, max_bytes: int) -> None:
    cache = CachingDecoder(engine, max_bytes)
    options = [DecodingOptions(beam_size=n, max_decoding_length=9) for n in (1, 3)]
    draw = random.Random(max_bytes)
    for _ in range(20):
        jobs = [job(draw.randrange(5), options=draw.choice(options)) for _ in range(10)]
        for one in jobs:
            one.deadline = float("inf")
        cache.submit(jobs)
        for one in jobs:
            assert one.result.result(SECONDS) == hypotheses(one.source_ids, one.options)
        assert cache.bytes <= max_bytes
    assert cache.hits + cache.joined + cache.misses == 200


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["submit", "leave", "answer", "fail"]), st.integers(0, 11)),
    max_size=40,
)


@given(OPERATIONS, st.sampled_from([1, 1500, 4000, LARGE]))
def test_whatever_happens_each_gets_its_own_result(
    operations: list[tuple[str, int]], max_bytes: int
) -> None:
    decoder = Holding()
    cache = CachingDecoder(decoder, max_bytes)
    jobs: list[Job] = []
    failed: set[Key] = set()
    for operation, number in [*operations, *[("answer", 0)] * len(operations)]:
        if operation == "submit":
            options = DecodingOptions(beam_size=1 + number % 2, max_decoding_length=5)
            jobs.append(job(number // 4, options=options))
            cache.submit(jobs[-1:])
        elif operation == "leave" and jobs:
            jobs[number % len(jobs)].result.cancel()
        elif decoder.held and operation == "fail":
            place = number % len(decoder.held)
            failed.add(key(decoder.held[place]))
            decoder.fail(place)
        elif decoder.held and operation == "answer":
            decoder.answer(number % len(decoder.held))
        live = [key(one) for one in decoder.held if not one.abandoned]
        assert len(set(live)) == len(live)
        assert set(live) == {key(one) for one in jobs if not one.result.done()}
        assert cache.bytes <= max_bytes
    for one in jobs:
        if one.abandoned:
            continue
        try:
            assert one.result.result(0) == hypotheses(one.source_ids, one.options)
        except ServiceError:
            assert key(one) in failed
