"""python -m service.cluster.translate: a corpus on all machines of a Ray cluster, by Ray Data.

`python -m service translate-file` does the same on one machine, and goes on after interruptions.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import ray
import ray.data
from ray.exceptions import RayError

from service import logs
from service.app import running_service
from service.bulk.command import without_bounds
from service.bulk.formats import Place
from service.cluster.options import with_resources, with_whole_paths
from service.domain import Format, Priority, TranslationRequest
from service.errors import BulkError, InvalidRecord, StartupError, UnknownFileFormat
from service.settings import Settings, load

ROWS = 1024
"""Of a batch: enough that the last sentences of one, which have the engine for themselves, hardly
count."""
KINDS = ("jsonl", "parquet")
PLACE = Place()
DESCRIPTION = (
    "Translate a column of a corpus on a Ray cluster. Rows keep their order; a column is added."
)


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

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The rows with their translations; those without a text (null) have one without words.

        Args:
            batch: column → an array of its values.
        """
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
    place: Place = PLACE,
    text_format: Format = Format.TEXT,
    replicas: tuple[int, int] = (1, 8),
    **resources: float,
) -> Any:
    """The rows of a ray.data.Dataset with the translation of one of their columns as another one.

    Args:
        place: names of these columns.
        replicas: fewest and most models at a time.
        resources: of each, such as num_cpus=4 or num_gpus=0.5.

    Raises:
        InvalidRecord: there is no such column, or the other one is there already.
    """
    _require_columns(dataset, place)
    ray.data.DataContext.get_current().execution_options.preserve_order = True
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
        fn_constructor_args=(with_whole_paths(settings), request, place),
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
        kind = _kind(chosen)
        dataset = translated(
            _read(kind, chosen.input),
            settings,
            chosen.source,
            chosen.target,
            place=Place(field=chosen.field, into=chosen.into),
            text_format=Format(chosen.format),
            replicas=(1, chosen.replicas),
            num_cpus=chosen.cpus,
            num_gpus=chosen.gpus,
        )
        _write(kind, dataset, chosen.output)
    except (BulkError, StartupError, RayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.cluster.translate", description=DESCRIPTION
    )
    parser.add_argument("input", help="a file or a folder of them, or a URL that Ray Data reads")
    parser.add_argument("output", help="a folder, or such a URL")
    parser.add_argument("--source", required=True, help="language of the texts")
    parser.add_argument("--target", required=True, help="language to translate into")
    parser.add_argument("--kind", choices=KINDS, help="of the files; else by the input's ending")
    parser.add_argument(
        "--format", choices=[one.value for one in Format], default=Format.TEXT.value
    )
    parser.add_argument("--field", default=Place.field, help="has the text")
    parser.add_argument("--into", default=Place.into, help="gets the translation")
    parser.add_argument("--replicas", type=int, default=8, help="most models at a time")
    parser.add_argument("--cpus", type=float, default=1, help="of each")
    parser.add_argument("--gpus", type=float, default=0, help="of each; 0.5 puts two on one")
    return parser


def _kind(chosen: argparse.Namespace) -> str:
    kind = chosen.kind or PurePosixPath(chosen.input).suffix.removeprefix(".")
    if kind not in KINDS:
        raise UnknownFileFormat(
            f"{chosen.input} is none of .{', .'.join(KINDS)}; --kind says what a folder has."
        )
    return str(kind)


def _read(kind: str, path: str) -> Any:
    if kind == "parquet":
        return ray.data.read_parquet(path)
    return ray.data.read_json(path, lines=True, file_extensions=["jsonl"])


def _write(kind: str, dataset: Any, path: str) -> None:
    if kind == "parquet":
        dataset.write_parquet(path)
    else:
        dataset.write_json(path)


def _require_columns(dataset: Any, place: Place) -> None:
    names = dataset.columns()
    if place.field not in names:
        raise InvalidRecord(f"There is no column {place.field!r}; there are {', '.join(names)}.")
    if place.into in names:
        raise InvalidRecord(
            f"There is a column {place.into!r} already; name another one for the translation."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
