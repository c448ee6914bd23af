"""The OpenAPI document with all settings at their defaults, as it is kept beside the tests.

`python -m tests.openapi_document` writes it anew, for a change that is meant.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from service.app import create_app
from service.settings import Settings

KEPT = Path(__file__).parent / "data" / "openapi.json"


def current() -> str:
    """The document as the service makes it now."""
    return json.dumps(create_app(Settings()).openapi(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    KEPT.write_text(current(), encoding="utf-8")
    sys.stdout.write(f"{KEPT} was written.\n")
