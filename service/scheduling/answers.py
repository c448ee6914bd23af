"""Wait, on the event loop, for what decodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from service.domain import Hypothesis
from service.scheduling.job import Decoder, Job


async def answers(decoder: Decoder, jobs: Sequence[Job]) -> list[tuple[Hypothesis, ...]]:
    """The results of the jobs, in order. Cancelling it frees what they hold.

    Raises:
        ServiceError: what some job failed with.
    """
    if not jobs:
        return []
    results = [asyncio.wrap_future(job.result) for job in jobs]
    try:
        decoder.submit(jobs)
        return await asyncio.gather(*results)
    finally:
        for job in jobs:  # no harm to those that are done
            job.result.cancel()
