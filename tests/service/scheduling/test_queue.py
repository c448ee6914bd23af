from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from service.domain import DecodingOptions, Priority
from service.scheduling.batcher import Bounds
from service.scheduling.job import Flow, Job
from service.scheduling.queue import JobQueue

SECONDS = 20
WIDE = Bounds(rows=100, padded_tokens=1000, joining_tokens=1000)


def jobs(count: int) -> list[Job]:
    return [Job((1, 2), DecodingOptions(), float("inf")) for _ in range(count)]


def take(queue: JobQueue) -> list[Job]:
    return queue.take(Flow("", Priority.INTERACTIVE), [], WIDE)


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
        idle = pool.submit(queue.wait, 0)
        until_idle(queue)
        with queue._changed:  # the idle one can't wake before this thread has taken its part
            queue.put(jobs(4))
            assert len(take(queue)) == 2
        assert idle.result(SECONDS)
    assert len(take(queue)) == 2


def test_a_closed_queue_wakes_all() -> None:
    queue = JobQueue()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(queue.wait, 0) for _ in range(2)]
        queue.close()
        assert [one.result(SECONDS) for one in waiting] == [False, False]
    assert not queue.put(jobs(1))


def test_a_call_wakes_those_who_have_not_heard_it() -> None:
    queue = JobQueue()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.wait, queue.calls)
        until_idle(queue)
        queue.call()
        assert waiting.result(SECONDS)
    assert queue.wait(calls=0)  # heard too late, and at once
    assert queue.calls == 1


def test_each_model_has_a_line_of_its_own() -> None:
    queue = JobQueue()
    one, other = (replace(job, model=name) for name, job in zip("ab", jobs(2), strict=True))
    queue.put([one, other])
    assert queue.flows == [one.flow, other.flow]
    assert queue.take(other.flow, [], WIDE) == [other]
    assert not queue.has(other.flow)
    assert queue.take_all(one.flow) == [one]
    assert queue.flows == []
