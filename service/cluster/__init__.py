"""The service on Ray Serve, on many machines: `serve run service.cluster:app`.

The app of one machine is the ingress, and its engine is a deployment of replicas. Ray places,
scales, checks and replaces them, and finds the least loaded one. Needs the extra `cluster`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import settings
from service.errors import InvalidSettings

if TYPE_CHECKING:
    from ray.serve import Application


def app(arguments: dict[str, str]) -> Application:
    """The application, by the settings in the environment of whoever builds it.

    Raises:
        InvalidSettings: a setting is unknown or out of bounds, or there are arguments.
    """
    if arguments:
        raise InvalidSettings(
            f"The application takes no arguments, and got {', '.join(arguments)}: its settings are "
            f"environment variables, {settings.PREFIX}…"
        )
    chosen = settings.load()
    from service.cluster import application  # imports Ray

    return application.build(chosen)
