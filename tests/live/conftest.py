from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--checkpoint", help="the default model's checkpoint, whose goldens are made afresh too"
    )
    parser.addoption("--lstm", help="the same of models/fr-en-lstm: its run")
