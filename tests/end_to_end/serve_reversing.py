"""Serve the reversing model as `python -m service` serves a real one.

A line on standard input tells the engine what to do: hold, release or die.
"""

from __future__ import annotations

import sys
import threading

from service.__main__ import main
from tests.service.api.reversing import ReversingEngine, serving


def obey(engine: ReversingEngine) -> None:
    for line in sys.stdin:
        does = {"hold": engine.hold, "release": engine.release, "die": engine.die}
        does[line.strip()]()


if __name__ == "__main__":
    engine = ReversingEngine()
    threading.Thread(target=obey, args=(engine,), daemon=True).start()
    sys.exit(main(serving(engine)))
