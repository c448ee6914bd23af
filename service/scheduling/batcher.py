"""Which of the waiting sentences join a batch: a function of the queue, the batch and the clock."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import DeadlineExceeded
from service.scheduling.job import Job

LATE = "The translation did not begin before its deadline."


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a batch may be."""

    rows: int
    """The beam sizes of its sentences, added up; and sentences × most searches of one, as each
    sentence gets memory for as many tokens as the one that needs most."""
    padded_tokens: int
    """Sentences × longest source."""
    joining_tokens: int
    """Source tokens of the sentences that join at once: how long the others are held up."""


def take_joiners(
    waiting: deque[Job], batch: Iterable[Job], now: float, bounds: Bounds, most: int
) -> list[Job]:
    """Pop the oldest sentences that fit into a batch beside those that it has.

    Abandoned sentences are popped and forgotten, late ones are popped and failed. Nobody overtakes
    one that does not fit yet, so each comes to its turn. A sentence that is larger than a whole
    batch goes alone. No batch is larger than the company that one of its sentences may have.

    now: monotonic seconds; most: no more sentences than this.
    """
    present = list(batch)
    rows = sum(job.options.rows for job in present)
    longest = max((len(job.source_ids) for job in present), default=0)
    searches = max((job.options.searches for job in present), default=1)
    company = min((job.company for job in present), default=sys.maxsize)
    joiners: list[Job] = []
    joining = 0
    while waiting and len(joiners) < most:
        job = waiting[0]
        if job.abandoned or job.deadline <= now:
            waiting.popleft().fail(DeadlineExceeded(LATE))
            continue
        longest = max(longest, len(job.source_ids))
        searches = max(searches, job.options.searches)
        company = min(company, job.company)
        rows += job.options.rows
        joining += len(job.source_ids)
        sentences = len(present) + len(joiners) + 1
        fits = rows <= bounds.rows and longest * sentences <= bounds.padded_tokens
        fits = fits and searches * sentences <= bounds.rows and sentences <= company
        if (sentences > 1 and not fits) or (joiners and joining > bounds.joining_tokens):
            break
        joiners.append(waiting.popleft())
    return joiners
