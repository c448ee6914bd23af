"""A replica of the engine, as Ray runs it: one process, all models, its own devices."""

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
from service.cluster.models import ReplicaModels
from service.cluster.options import HEALTH_SECONDS, with_resources
from service.engine.interface import WatchedDecoder
from service.errors import ServiceError, ShuttingDown
from service.opening import MODEL, OpenModel, running_engine
from service.scheduling.answers import answers
from service.scheduling.job import Job
from service.scheduling.watchdog import Pulse, Watchdog
from service.settings import Settings

log = structlog.get_logger(__name__)


class EngineReplica:
    """Decodes sentences, batched with all others that are there."""

    def __init__(self, settings: Settings, open_model: OpenModel) -> None:
        """Load the models and warm them up.

        open_model: opens the model where there is no folder of them.

        Raises:
            StartupError: one can't be loaded; Ray shows the message and tries again.
        """
        logs.configure(settings.server)
        self._tokens = self._sentences = 0
        self._stack = ExitStack()
        chosen = with_resources(settings, ray.get_runtime_context().get_assigned_resources())
        self._engine, self._folder = self._opened(chosen, open_model)
        self._watchdog = Watchdog(self._pulse, settings.runtime.stuck_seconds, HEALTH_SECONDS)
        log.info("a replica is ready", threads=chosen.runtime.threads)

    def _opened(
        self, settings: Settings, open_model: OpenModel
    ) -> tuple[WatchedDecoder, ReplicaModels | None]:
        """The engine, and its models where they are those of a folder."""
        if settings.models.directory is None:
            return self._stack.enter_context(open_model(settings)).engine, None
        engine = self._stack.enter_context(running_engine(settings))
        models = ReplicaModels(settings.models.directory, settings, engine)
        models.start()
        return engine, models

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
            model=sentence.model or MODEL,
        )
        self._tokens += len(job.source_ids)
        self._sentences += 1
        try:
            if self._folder is not None:
                await self._folder.require(job.model)
            (hypotheses,) = await answers(self._engine, [job])
        except ShuttingDown as error:
            raise ReplicaLost(str(error)) from None  # it can be pickled, which that can't
        except ServiceError as error:
            return to_json(Decoded((), failure=str(error)))
        finally:
            self._tokens -= len(job.source_ids)
            self._sentences -= 1
        return to_json(Decoded(hypotheses, decoded=(job.ended or 0.0) - (job.begun or 0.0)))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What Ray is told for autoscaling."""
        return {TOKENS: self._tokens}

    def check_health(self) -> None:
        """Ray calls this every HEALTH_SECONDS, and replaces the replica where it keeps raising."""
        if fault := self._watchdog.look():
            raise RuntimeError(fault)

    def _pulse(self) -> Pulse:
        return Pulse(self._engine.alive, self._engine.steps, self._sentences)

    def __del__(self) -> None:
        """Ray calls this when the replica has answered all it was asked."""
        self._stack.close()
