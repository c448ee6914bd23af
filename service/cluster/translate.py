"""python -m service.cluster.translate: a corpus on all machines of a Ray cluster, by Ray Data.

`python -m service translate-file` does the same on one machine, and goes on after interruptions.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from service import logs
from service.app import running_service
from service.bulk.command import without_bounds
from service.bulk.formats import Place
from service.cluster.options import with_resources
from service.domain import Format, Priority, TranslationRequest
from service.errors import StartupError, UnknownFileFormat
from service.settings import Settings, load

ROWS = 1024
"""Of a batch: enough that the last sentences of one, which have the engine for themselves, hardly
count."""
Batch = dict[str, Any]
"""Column → an array of its values."""
READERS: dict[str, Callable[[str], Any]] = {
    ".txt": lambda path: ray.data.read_text(path, drop_empty_lines=False),
    ".jsonl": lambda path: ray.data.read_json(path, lines=True),
    ".parquet": lambda path: ray.data.read_parquet(path),
}


class Translating:
    """All of the service but HTTP, as an actor of Ray Data."""

    def __init__(self, settings: Settings, request: TranslationRequest, place: Place) -> None:
        """request: how; its own texts are not looked at."""
        logs.configure(settings.server)
        self._request = request
        self._place = place
        self._runner = asyncio.Runner()
        self._stack = ExitStack()
        resources = ray.get_runtime_context().get_assigned_resources()
        chosen = with_resources(without_bounds(settings), resources)
        self._service = self._stack.enter_context(running_service(chosen))

    def __call__(self, batch: Batch) -> Batch:
        """The rows with their translations."""
        texts = tuple(text or "" for text in batch[self._place.field])
        work = self._service.translator.translate(replace(self._request, texts=texts))
        translations = [one.text for one in self._runner.run(work)]
        return {**batch, self._place.into: np.array(translations, dtype=object)}


def translated(
    dataset: Any,
    settings: Settings,
    source: str,
    target: str,
    *,
    place: Place = Place(),
    text_format: Format = Format.TEXT,
    replicas: tuple[int, int] = (1, 8),
    **resources: float,
) -> Any:
    """The rows of a ray.data.Dataset with the translation of one of their columns as another one.

    Args:
        place: names of these columns.
        replicas: fewest and most models at a time.
        resources: of each, such as num_cpus=4 or num_gpus=0.5.
    """
    request = TranslationRequest(
        texts=(),
        source=source,
        target=target,
        options=settings.decoding.options(),
        deadline=math.inf,
        priority=Priority.BULK,
        format=text_format,
        retry_repetitions=settings.decoding.retry_repetitions,
    )
    fewest, most = replicas
    return dataset.map_batches(
        Translating,
        fn_constructor_args=(settings, request, place),
        batch_size=ROWS,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        **resources,
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command. The process' exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load()
        dataset = _read(chosen.input)
        _write(_translated(dataset, settings, chosen), chosen.input.suffix, chosen.output)
    except (BulkError, StartupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
