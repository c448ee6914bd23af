"""All routes of an app, also those that its OpenAPI document leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    """Methods and paths, in order; parameters of paths are in braces."""
    return [
        (method, route.path)
        for route in _plain(app.routes)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]


def _plain(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        router = getattr(route, "original_router", None)  # as FastAPI includes routers
        if router is not None:
            yield from _plain(router.routes)
        elif isinstance(route, Route):
            yield route
