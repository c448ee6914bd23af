"""How the ingress asks a replica, by Ray's handle of the engine's deployment."""

from __future__ import annotations

import asyncio

from pydantic_core import to_json
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from service.cluster.decoder import Call, ReplicaLost
from service.cluster.messages import DECODED, Decoded, Sentence
from service.errors import Overloaded
from service.scheduling.admission import RETRY_AFTER_SECONDS

BUSY = "Too many sentences are waiting; try again later."


def calls_to(engine: DeploymentHandle) -> Call:
    """Calls that go to the least loaded replica, one for each sentence."""

    async def call(sentence: Sentence) -> Decoded:
        response = engine.decode.remote(to_json(sentence))
        try:
            return DECODED.validate_json(await response)
        except asyncio.CancelledError:
            response.cancel()
            raise
        except (RayActorError, ReplicaLost) as error:
            raise ReplicaLost(type(error).__name__) from error
        except BackPressureError as error:
            raise Overloaded(BUSY, RETRY_AFTER_SECONDS) from error

    return call
