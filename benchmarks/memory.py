"""How memory grew."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np


def growth(samples: Sequence[tuple[float, float]], warm_up: float) -> str:
    """In words. samples: (minutes, MB); warm_up: share of the time that does not count."""
    after = samples[int(warm_up * len(samples)) :]
    if len(after) < 2:
        return "too short to say how memory grows"
    minutes, megabytes = np.array(after).T
    slope = 60 * np.polyfit(minutes, megabytes, 1)[0]
    quarter = max(1, len(after) // 4)
    first, last = statistics.mean(megabytes[:quarter]), statistics.mean(megabytes[-quarter:])
    return (
        f"after warm-up {slope:+.1f} MB/hour; mean of the first quarter {first:.0f} MB, of the "
        f"last {last:.0f} MB; most {max(megabytes):.0f} MB"
    )
