"""The sentences of one flow, a model's of one priority, that are being decoded together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Search, Target
from service.errors import ServiceError
from service.scheduling.batcher import Bounds
from service.scheduling.job import Flow, Job


class Lane:
    """A running batch. Jobs join it between steps and leave it as soon as they are done."""

    def __init__(
        self,
        flow: Flow,
        share: float,
        bounds: Bounds,
        model: Seq2SeqModel,
        target: Target,
    ) -> None:
        """share: of the engine's time while other lanes have work too."""
        self.flow = flow
        self.bounds = bounds
        self._share = share
        self._model = model
        self._target = target
        self._begin()
        self.active = False
        """Whether it had work when its engine last looked."""
        self.clock = 0.0
        """Seconds of engine time it had, divided by its share; the lane whose clock is behind is
        the next (weighted fair queueing; Demers, Keshav and Shenker 1989)."""

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> list[Job]:
        """The jobs being decoded."""
        return list(self._jobs.values())

    @property
    def rows(self) -> int:
        """Rows that the next step computes."""
        return self._search.rows

    def spend(self, seconds: float) -> None:
        """Count engine time."""
        self.clock += seconds / self._share

    def join(self, jobs: Sequence[Job]) -> None:
        """Encode jobs and let them join. Where it raises, none has joined."""
        sources, options = [job.source_ids for job in jobs], [job.options for job in jobs]
        self._jobs |= dict(zip(self._search.add(sources, options), jobs, strict=True))

    def step(self) -> None:
        """Advance all jobs by one token and answer those that are done."""
        for number, hypotheses in self._search.step().items():
            self._jobs.pop(number).finish(hypotheses)

    def drop(self, number: int, error: ServiceError) -> None:
        """Give a job up; its rows are gone at the next step."""
        self._search.drop(number)
        self._jobs.pop(number).fail(error)

    def numbered(self) -> Iterator[tuple[int, Job]]:
        """The jobs with their numbers for drop(), which may be called meanwhile."""
        return iter(list(self._jobs.items()))

    def clear(self) -> list[Job]:
        """Begin anew; returns the jobs that were being decoded."""
        jobs = self.jobs
        self._begin()
        return jobs

    def _begin(self) -> None:
        self._search = Search(self._model.begin(), self._target)
        self._jobs: dict[int, Job] = {}
