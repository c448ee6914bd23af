"""How soon the first sentence of a long text shows on the page, in a real browser.

The page itself takes the times (`performance.mark`): when it asks, and when the first sentence has
been painted. Texts are pasted, of so many sentences that follow each other in a file, and none
twice, so that nothing comes from the cache. It runs in the environment of `make test-page`:

    build/page/bin/python -m benchmarks page --source dev.fr
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

TIMES = "performance.getEntriesByType('mark').map((mark) => mark.startTime)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="a running service")
    parser.add_argument("--source", type=Path, required=True, help="sentences, one a line")
    parser.add_argument("--sentences", type=int, default=50, help="in a text")
    parser.add_argument("--texts", type=int, default=10)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")


def run(arguments: argparse.Namespace) -> None:
    lines = arguments.source.read_text(encoding="utf-8").split("\n")
    size = arguments.sentences
    with sync_playwright() as playwright:
        path = arguments.chromium
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(arguments.url)
        page.wait_for_selector("#to option", state="attached")
        found = [
            _seconds(page, " ".join(lines[number * size : (number + 1) * size]))
            for number in range(arguments.texts)
        ]
    for name, times in zip(("first sentence", "whole text"), zip(*found, strict=True), strict=True):
        milliseconds = sorted(round(1000 * one) for one in times)
        print(f"{name:15} median {median(milliseconds):.0f} ms, all: {milliseconds}")


def _seconds(page: Page, text: str) -> tuple[float, float]:
    """Until the first sentence shows, and until all do."""
    page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    page.focus("#source")
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+V")
    page.wait_for_selector("#status:has-text('Translated')")
    asked, shown = page.evaluate(TIMES)
    return (shown - asked) / 1000, (page.evaluate("performance.now()") - asked) / 1000
