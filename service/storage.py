"""What becomes of a write that fails, because the disk is full for example."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from service.errors import NotStored

log = structlog.stdlib.get_logger(__name__)


def not_stored(path: Path, error: OSError) -> NotStored:
    """The error for the client, who is told why but not where; the log says where."""
    reason = os.strerror(error.errno) if error.errno else "unknown"
    log.error("a file could not be written", path=str(path), reason=reason)
    return NotStored(f"It could not be stored: {reason}.")
