"""How many replicas of the engine there should be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

TOKENS = "waiting_tokens"
"""Source tokens of the sentences that a replica has and has not answered yet."""
TOKENS_PER_REPLICA = 1024
"""About what a batch of 32 sentences holds: with more, sentences begin to wait for each other."""


def by_waiting_tokens(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Ray asks this regularly. Ray keeps to the bounds and delays of the deployment's config."""
    tokens = sum((context.aggregated_metrics or {}).get(TOKENS, {}).values())
    return math.ceil(tokens / TOKENS_PER_REPLICA), {}
