"""How many replicas are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from service import cluster
from service.cluster.autoscaling import TOKENS, TOKENS_PER_REPLICA, by_waiting_tokens
from service.errors import InvalidSettings


@dataclass
class Context:
    """What Ray gives of its AutoscalingContext."""

    aggregated_metrics: dict[str, dict[str, float]] | None


@pytest.mark.parametrize(
    ("tokens", "replicas"),
    [
        ([], 0),
        ([0, 0], 0),
        ([1], 1),
        ([TOKENS_PER_REPLICA], 1),
        ([TOKENS_PER_REPLICA, 1], 2),
        ([TOKENS_PER_REPLICA * 2.5, 0, TOKENS_PER_REPLICA], 4),
    ],
)
def test_replicas_follow_the_tokens(tokens: list[float], replicas: int) -> None:
    found: Any = Context({TOKENS: {str(n): one for n, one in enumerate(tokens)}, "other": {"0": 9}})
    assert by_waiting_tokens(found) == (replicas, {})


def test_before_anything_is_known() -> None:
    nothing: Any = Context(None)
    assert by_waiting_tokens(nothing)[0] == 0


def test_arguments_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="no arguments, and got beam"):
        cluster.app({"beam": "2"})
