"""A service whose model never finishes loading."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service.__main__ import main
from service.opening import RunningModel
from service.settings import Settings


@contextmanager
def open_model(settings: Settings) -> Iterator[RunningModel]:
    structlog.stdlib.get_logger().info("loading")
    threading.Event().wait()
    raise AssertionError("unreachable")
    yield


if __name__ == "__main__":
    sys.exit(main(open_model))
