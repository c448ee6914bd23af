from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from service.domain import DecodingOptions, Priority
from service.scheduling.batcher import Bounds
from service.scheduling.job import Job
from service.scheduling.queue import JobQueue

SECONDS = 20
WIDE = Bounds(rows=100, padded_tokens=1000, joining_tokens=1000)


def jobs(count: int) -> list[Job]:
    return [Job((1, 2), DecodingOptions(), float("inf")) for _ in range(count)]


def take(queue: JobQueue) -> list[Job]:
    return queue.take(Priority.INTERACTIVE, [], WIDE)


def until_idle(queue: JobQueue) -> None:
    """Return when a thread waits in the queue."""
    end = time.monotonic() + SECONDS
    while queue._idle == 0:
        assert time.monotonic() < end


def test_one_thread_takes_everything_when_no_other_is_idle() -> None:
    queue, waiting = JobQueue(), jobs(5)
    queue.put(waiting)
    assert take(queue) == waiting


def test_whoever_is_busy_leaves_idle_threads_their_share() -> None:
    queue = JobQueue()
    with ThreadPoolExecutor(1) as pool:
        idle = pool.submit(queue.wait)
        until_idle(queue)
        with queue._changed:  # the idle one can't wake before this thread has taken its part
            queue.put(jobs(4))
            assert len(take(queue)) == 2
        assert idle.result(SECONDS)
    assert len(take(queue)) == 2


def test_a_closed_queue_wakes_all() -> None:
    queue = JobQueue()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(queue.wait) for _ in range(2)]
        queue.close()
        assert [one.result(SECONDS) for one in waiting] == [False, False]
    assert not queue.put(jobs(1))
