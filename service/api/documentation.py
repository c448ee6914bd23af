"""The page that documents the API and tries it out. It loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Swagger UI sets style attributes; scripts come from here only."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>seq2serve</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_SCRIPT = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


def add_documentation(app: FastAPI) -> None:
    """Serve the page at /docs, and an OpenAPI document without what FastAPI would answer to invalid
    parameters: here that is 400, in each dialect's words."""
    openapi = app.openapi
    app.openapi = lambda: _without_422(openapi())  # type: ignore[method-assign]
    assets = Path(str(files("fastapi_standalone_docs"))) / "static" / "swagger"
    app.mount("/docs/assets", StaticFiles(directory=assets))
    app.add_api_route("/docs", _page, include_in_schema=False)
    app.add_api_route("/docs/start.js", _script, include_in_schema=False)


def _without_422(document: dict[str, Any]) -> dict[str, Any]:
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


async def _page() -> Response:
    return HTMLResponse(
        _PAGE,
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        },
    )


async def _script() -> Response:
    return Response(_SCRIPT, media_type="text/javascript")
