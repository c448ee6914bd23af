"""A real Chromium, without a window, and the service with the default model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from service.opening import open_model_directory
from service.settings import ModelSettings, Settings
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import live_server

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TEXT = (
    "Le chat noir dort sur le grand lit. Où est la gare ?\n\n"
    "😀\nJe voudrais un café avec {quantité} sucres."
)
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    settings = Settings(model=ModelSettings(directory=DEFAULT_MODEL))
    with live_server(settings, open_model_directory) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the PATH")
    with sync_playwright() as playwright:
        # A container's root has no sandbox; the pages are our own.
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture
def problems() -> list[str]:
    """What pages complained about, and what they loaded from elsewhere."""
    return []


@pytest.fixture
def visit(browser: Browser, url: str, problems: list[str]) -> Iterator[Open]:
    """Open a path in a window of its own; the page when it is ready. Nothing may be wrong in it."""
    contexts = []

    def visit(path: str = "/", width: int = 1200, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((url, "data:")) else problems.append(asked.url)
            ),
        )
        page.goto(url + path)
        if path == "/":
            page.wait_for_selector("#to option", state="attached")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def translated(page: Page, text: str = TEXT) -> str:
    """Give the page a text; the translation when it is complete."""
    page.fill("#source", text)
    page.wait_for_selector("#status:has-text('Translated')")
    return str(page.locator("#target").inner_text())
