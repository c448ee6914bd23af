"""Which of the waiting sentences are translated together: a function of the queue and the clock."""

from __future__ import annotations

from collections import deque

from service.errors import DeadlineExceeded
from service.scheduling.job import Job
from service.settings import SchedulingSettings

LATE = "The translation did not begin before its deadline."


def take_batch(waiting: deque[Job], now: float, limits: SchedulingSettings) -> list[Job]:
    """Pop the oldest sentences that fit one padded batch.

    Abandoned sentences are popped and forgotten, late ones are popped and failed. A sentence that
    is larger than a whole batch goes alone.

    now: monotonic seconds.
    """
    batch: list[Job] = []
    longest = rows = 0
    while waiting:
        job = waiting[0]
        if job.abandoned or job.deadline <= now:
            waiting.popleft().fail(DeadlineExceeded(LATE))
            continue
        longest = max(longest, len(job.source_ids))
        rows += job.options.beam_size
        fits = (
            longest * (len(batch) + 1) <= limits.max_batch_tokens and rows <= limits.max_batch_rows
        )
        if batch and not fits:
            break
        batch.append(waiting.popleft())
    return batch
