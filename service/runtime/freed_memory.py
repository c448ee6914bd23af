"""Memory that was freed and that the allocator keeps."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give it to the system, where glibc is the allocator. Takes some milliseconds."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
