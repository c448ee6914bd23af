"""The ingress' decoder, with replicas that are coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic_core import to_json

from service.cluster.decoder import ATTEMPTS, ClusterDecoder, ReplicaLost
from service.cluster.messages import DECODED, SENTENCE, Decoded, Sentence
from service.domain import DecodingOptions, FinishReason, Hypothesis, Priority
from service.errors import ModelFailure, Overloaded
from service.scheduling.answers import answers
from service.scheduling.job import Job

OPTIONS = DecodingOptions(beam_size=3, suppress_sequences=((4, 5), (6,)))
FAR = 1e12


def job(*source_ids: int) -> Job:
    return Job(source_ids, OPTIONS, FAR, Priority.BULK)


async def reversing(sentence: Sentence) -> Decoded:
    """Over the wire and back, as between processes."""
    sentence = SENTENCE.validate_json(to_json(sentence))
    assert sentence.options == OPTIONS
    assert sentence.priority is Priority.BULK
    hypothesis = Hypothesis(sentence.source_ids[::-1], 0.1 + 0.2, FinishReason.END, ((0.1,),))
    return DECODED.validate_json(to_json(Decoded((hypothesis,), decoded=0.001)))


def lost(times: int) -> tuple[Callable[[Sentence], Awaitable[Decoded]], list[Sentence]]:
    """A call that loses so many replicas before one answers, and the sentences it got."""
    seen: list[Sentence] = []

    async def call(sentence: Sentence) -> Decoded:
        seen.append(sentence)
        if len(seen) <= times:
            raise ReplicaLost("killed")
        return await reversing(sentence)

    return call, seen


def decode(call: Callable[[Sentence], Awaitable[Decoded]], *jobs: Job) -> list[tuple[int, ...]]:
    async def run() -> list[tuple[int, ...]]:
        return [found[0].target_ids for found in await answers(ClusterDecoder(call), jobs)]

    return asyncio.run(run())


def test_every_job_has_its_own_answer() -> None:
    jobs = [job(number, 7) for number in range(50)]
    assert decode(reversing, *jobs) == [(7, number) for number in range(50)]
    assert jobs[0].result.result()[0].score == 0.1 + 0.2
    assert all(one.begun is not None and one.made <= one.begun <= (one.ended or 0) for one in jobs)


@pytest.mark.parametrize("times", range(1, ATTEMPTS))
def test_sentences_of_a_lost_replica_go_to_another_one(times: int) -> None:
    call, seen = lost(times)
    assert decode(call, job(1, 2)) == [(2, 1)]
    assert seen == [seen[0]] * (times + 1)


def test_a_sentence_that_kills_replicas_does_not_get_them_all() -> None:
    call, seen = lost(1000)
    with pytest.raises(ModelFailure):
        decode(call, job(1))
    assert len(seen) == ATTEMPTS


def test_failures_come_through() -> None:
    async def failing(sentence: Sentence) -> Decoded:
        return Decoded((), failure="It has no words for this.")

    async def busy(sentence: Sentence) -> Decoded:
        raise Overloaded("Too much.", 7)

    async def broken(sentence: Sentence) -> Decoded:
        raise ZeroDivisionError

    with pytest.raises(ModelFailure, match=r"^It has no words for this\.$"):
        decode(failing, job(1))
    with pytest.raises(Overloaded, match=r"^Too much\.$") as caught:
        decode(busy, job(1))
    assert caught.value.retry_after_seconds == 7
    with pytest.raises(ModelFailure, match="could not translate"):
        decode(broken, job(1))


def test_who_leaves_cancels_the_call() -> None:
    async def run() -> None:
        begun, freed = asyncio.Event(), asyncio.Event()

        async def endless(sentence: Sentence) -> Decoded:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                freed.set()
            raise AssertionError

        decoder = ClusterDecoder(endless)
        waiting = asyncio.create_task(answers(decoder, [job(1)]))
        await begun.wait()
        assert decoder.waiting == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await freed.wait()
        await asyncio.sleep(0)
        assert decoder.waiting == 0

    asyncio.run(asyncio.wait_for(run(), 20))


def test_other_versions_are_understood() -> None:
    """While a cluster is updated, both are there."""
    newer = b'{"source_ids":[1],"options":{"beam_size":2,"new":1},"priority":"bulk","new":2}'
    assert SENTENCE.validate_json(newer).options == DecodingOptions(beam_size=2)
    assert DECODED.validate_json(b'{"hypotheses":[],"new":1}') == Decoded(())
