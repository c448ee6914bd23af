"""An engine has several models; whoever uses one of them need not know its name."""

from __future__ import annotations

from collections.abc import Sequence

from service.scheduling.job import Decoder, Job


class AddressedDecoder:
    """A decoder in front of another one, all of whose jobs are for one model."""

    def __init__(self, decoder: Decoder, model: str) -> None:
        self._decoder = decoder
        self._model = model

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs on.

        Raises:
            ShuttingDown: no job was taken.
        """
        for job in jobs:
            job.model = self._model
        self._decoder.submit(jobs)
