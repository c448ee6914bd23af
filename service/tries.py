"""Jobs decoded, and decoded once more where the first try is not good enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from service.decoding.repetition import as_second_try, repeats_itself, without_repetitions
from service.domain import DecodingOptions, Hypothesis
from service.scheduling.answers import answers
from service.scheduling.job import Decoder, Job, Result

Hypotheses: TypeAlias = tuple[Hypothesis, ...]


async def without_loops(
    decoder: Decoder, jobs: Sequence[Job], found: Sequence[Hypotheses]
) -> tuple[list[Job], list[Hypotheses]]:
    """What only repeats itself, again without repetitions.

    Returns the jobs that were done last, and their results.
    """
    return await _again(
        decoder,
        jobs,
        found,
        lambda job, first: repeats_itself(first[0].target_ids, job.source_ids),
        without_repetitions,
        lambda first, second: as_second_try(second),
    )


async def with_attention_for(
    unknown: int, decoder: Decoder, jobs: Sequence[Job], found: Sequence[Hypotheses]
) -> list[Hypotheses]:
    """What has unknown tokens, again with attention: it costs time, and few sentences need it."""
    _, found = await _again(
        decoder,
        jobs,
        found,
        lambda job, first: any(unknown in one.target_ids and not one.attention for one in first),
        lambda options: replace(options, return_attention=True),
        _attended,
    )
    return found


async def _again(
    decoder: Decoder,
    jobs: Sequence[Job],
    found: Sequence[Hypotheses],
    needed: Callable[[Job, Hypotheses], bool],
    changed: Callable[[DecodingOptions], DecodingOptions],
    merged: Callable[[Hypotheses, Hypotheses], Hypotheses],
) -> tuple[list[Job], list[Hypotheses]]:
    jobs, found = list(jobs), list(found)
    places = [place for place, job in enumerate(jobs) if needed(job, found[place])]
    for place in places:
        options = changed(jobs[place].options)
        jobs[place] = replace(jobs[place], options=options, result=Result())
    second = await answers(decoder, [jobs[place] for place in places])
    for place, hypotheses in zip(places, second, strict=True):
        found[place] = merged(found[place], hypotheses)
    return jobs, found


def _attended(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    """The first ones with the attention of the second ones."""
    attention = {one.target_ids: one.attention for one in second}
    return tuple(replace(one, attention=attention.get(one.target_ids, ())) for one in first)
