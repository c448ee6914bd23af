"""What operators ask: is it alive, is it ready, what does it do."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from service.api.dependencies import ServiceDep
from service.api.dialect import Dialect


class Alive(BaseModel):
    """The process works. Restarting it would not help."""

    status: str = Field(examples=["alive"])


class Ready(BaseModel):
    """Requests can be sent, and this is what serves them."""

    status: str = Field(examples=["ready"])
    model: str = Field(examples=["fr-en"])
    variant: str = Field(examples=["int8"])
    precision: str = Field(examples=["int8"])
    device: str = Field(examples=["cpu"])
    provider: str = Field(
        description="ONNX Runtime's execution provider, as the running session tells it.",
        examples=["CPUExecutionProvider"],
    )
    models: list[str] = Field(
        description="Names of all models that are served, the default one, if it is in memory, "
        "being that above.",
        examples=[["fr-en"]],
    )


def router(dialect: Dialect) -> APIRouter:
    """The routes; their errors are worded in this dialect."""
    routes = APIRouter(tags=["Operations"])

    @routes.get(
        "/health/live",
        summary="Is the process worth keeping?",
        response_model=Alive,
        responses=dialect.documented(503),
    )
    async def live(service: ServiceDep) -> Response:
        """503 only when nothing but a restart helps. Draining is no reason to be killed."""
        if reason := service.broken_because:
            return dialect.error(503, reason)
        return JSONResponse({"status": "alive"})

    @routes.get(
        "/health/ready",
        summary="Should requests be sent here?",
        response_model=Ready,
        responses=dialect.documented(503),
    )
    async def ready(service: ServiceDep) -> Response:
        """503 while draining and when the engine has stopped; the error says which."""
        if reason := service.unready_because:
            return dialect.error(503, reason)
        model = service.model
        return JSONResponse(
            {
                "status": "ready",
                "model": model.name,
                "variant": model.variant,
                "precision": model.precision,
                "device": model.device,
                "provider": model.provider,
                "models": [one.name for one in service.catalogue.routes.models],
            }
        )

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics(service: ServiceDep) -> Response:
        """In Prometheus' text format."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return routes
