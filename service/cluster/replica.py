"""A replica of the engine, as Ray runs it: one process, one model, its own devices."""

from __future__ import annotations

import math
from contextlib import ExitStack

import ray
import structlog
from pydantic_core import to_json

from service import logs
from service.cluster.autoscaling import TOKENS
from service.cluster.decoder import ReplicaLost
from service.cluster.messages import SENTENCE, Decoded
from service.cluster.options import with_resources
from service.errors import ServiceError, ShuttingDown
from service.opening import OpenModel
from service.scheduling.answers import answers
from service.scheduling.job import Job
from service.settings import Settings

log = structlog.get_logger(__name__)


class EngineReplica:
    """Decodes sentences, batched with all others that are there."""

    def __init__(self, settings: Settings, open_model: OpenModel) -> None:
        """Load the model and warm it up.

        Raises:
            StartupError: it can't be loaded; Ray shows the message and tries again.
        """
        logs.configure(settings.server)
        self._tokens = 0
        self._stack = ExitStack()
        chosen = with_resources(settings, ray.get_runtime_context().get_assigned_resources())
        self._model = self._stack.enter_context(open_model(chosen))
        log.info("a replica is ready", threads=chosen.runtime.threads)

    async def decode(self, content: bytes) -> bytes:
        """Decode a Sentence; a Decoded. Cancelling it drops the sentence.

        Raises:
            ReplicaLost: this replica ends, and another one can do it.
        """
        sentence = SENTENCE.validate_json(content)
        job = Job(
            sentence.source_ids,
            sentence.options,
            math.inf,
            sentence.priority,
            model=self._model.name,
        )
        self._tokens += len(job.source_ids)
        try:
            (hypotheses,) = await answers(self._model.engine, [job])
        except ShuttingDown as error:
            raise ReplicaLost(str(error)) from None  # it can be pickled, which that can't
        except ServiceError as error:
            return to_json(Decoded((), failure=str(error)))
        finally:
            self._tokens -= len(job.source_ids)
        return to_json(Decoded(hypotheses, decoded=(job.ended or 0.0) - (job.begun or 0.0)))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What Ray is told for autoscaling."""
        return {TOKENS: self._tokens}

    def check_health(self) -> None:
        """Ray replaces the replica where this raises."""
        if not self._model.engine.alive:
            raise RuntimeError("The engine has stopped.")

    def __del__(self) -> None:
        """Ray calls this when the replica has answered all it was asked."""
        self._stack.close()
