"""The page at / for people: files that load nothing from elsewhere, and how they are served."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.settings import PageSettings

FILES = Path(__file__).parent / "static"
HTML = "text/html"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and answered by 304
}


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def add_page(app: FastAPI, settings: PageSettings) -> None:
    """Answer / by the page where HTML is asked for, as browsers do; lead others to /docs."""

    async def root(request: Request) -> Response:
        if settings.enabled and HTML in request.headers.get("Accept", ""):
            headers = {**HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
            return FileResponse(FILES / "index.html", headers=headers | {"Vary": "Accept"})
        return RedirectResponse(
            f"{request.scope.get('root_path', '')}/docs", headers={"Vary": "Accept"}
        )

    if settings.enabled:
        app.mount("/page", _Files(directory=FILES))
    app.add_api_route("/", root, include_in_schema=False)
