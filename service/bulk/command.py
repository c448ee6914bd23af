"""python -m service translate-file: a whole file, with a progress bar, interrupted or not."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from service import logs
from service.api.dependencies import Service
from service.app import running_service
from service.bulk import formats, run
from service.bulk.finished import Finished
from service.bulk.formats import Place, Records
from service.catalogue.catalogue import Catalogue
from service.domain import Format, Priority, TranslationRequest
from service.errors import BulkError, ServiceError, StartupError
from service.settings import Settings, load

UNBOUNDED = 2**62
BEGUN = ".part"
"""Ending of the file beside the output that holds what is finished."""
DESCRIPTION = (
    "Translate a file's records in order, by the model and settings of the service. What is "
    f"finished is kept in OUTPUT{BEGUN}; the same command goes on there after an interruption."
)


def main(arguments: Sequence[str]) -> int:
    """Run the command. The process' exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = without_bounds(load())
        logs.configure(settings.server)
        asyncio.run(_run(chosen, settings))
    except (BulkError, ServiceError, StartupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("Interrupted: the same command goes on from here.\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service translate-file", description=DESCRIPTION
    )
    parser.add_argument("input", type=Path, help=formats.SUFFIXES)
    parser.add_argument("output", type=Path, help="a file with the same ending")
    parser.add_argument("--source", required=True, help="language of the texts")
    parser.add_argument("--target", required=True, help="language to translate into")
    parser.add_argument(
        "--format", choices=[one.value for one in Format], default=Format.TEXT.value
    )
    parser.add_argument("--field", default=Place.field, help="of .jsonl and .parquet: has the text")
    parser.add_argument("--into", default=Place.into, help="of these: gets the translation")
    parser.add_argument(
        "--column", type=int, default=Place.column, help="of .tsv: has the text, from 1"
    )
    parser.add_argument("--restart", action="store_true", help="forget what was begun")
    return parser


async def _run(chosen: argparse.Namespace, settings: Settings) -> None:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    place = Place(field=chosen.field, into=chosen.into, column=chosen.column)
    records = formats.records(chosen.input, place)
    formats.require_same_kind(chosen.input, chosen.output)
    count = records.count()  # which reads them all: now, rather than hours later
    begun = chosen.output.with_name(chosen.output.name + BEGUN)
    if chosen.restart:
        begun.unlink(missing_ok=True)
    with running_service(settings) as service:
        request = _request(chosen, settings)
        with Finished(begun, _work(chosen, settings, service.catalogue)) as finished:
            await _translate(records, count, service, request, finished)
            _write(records, finished, chosen.output)
    begun.unlink()


async def _translate(
    records: Records,
    total: int,
    service: Service,
    request: TranslationRequest,
    finished: Finished,
) -> None:
    started, before = time.monotonic(), finished.count
    with tqdm(total=total, initial=before, unit=" records", unit_scale=True, disable=None) as bar:
        await run.translate(records.texts(), service.translator, request, finished, bar.update)
    seconds = time.monotonic() - started
    count = finished.count - before
    sys.stderr.write(f"{count:,} records in {seconds:,.1f} s, {count / seconds:,.1f} a second\n")


def _write(records: Records, finished: Finished, output: Path) -> None:
    """Write the output at once: it is there whole or not at all."""
    staged = output.with_name(f".{os.getpid()}.{output.name}")
    try:
        records.write(finished.translations(), staged)
        staged.replace(output)
    finally:
        staged.unlink(missing_ok=True)


def _request(chosen: argparse.Namespace, settings: Settings) -> TranslationRequest:
    return TranslationRequest(
        texts=(),
        source=chosen.source,
        target=chosen.target,
        options=settings.decoding.options(),
        deadline=math.inf,
        priority=Priority.BULK,
        format=Format(chosen.format),
        retry_repetitions=settings.decoding.retry_repetitions,
    )


def _work(
    chosen: argparse.Namespace, settings: Settings, catalogue: Catalogue
) -> dict[str, object]:
    """What decides the translations, besides the texts.

    Raises:
        UnsupportedLanguage: no model translates them.
    """
    steps = catalogue.routes.find(chosen.source, chosen.target)
    asked = {
        name: getattr(chosen, name) for name in ("source", "target", "format", "field", "column")
    }
    return {
        "models": [[step.model.fingerprint, step.model.variant] for step in steps],
        "decoding": settings.decoding.model_dump(),
        **asked,
    }


def without_bounds(settings: Settings) -> Settings:
    """The same for one user with a lot of work: nothing is refused, bulk has all of the engine."""
    scheduling = settings.scheduling
    limits = {
        "max_waiting_items": UNBOUNDED,
        "max_waiting_characters": UNBOUNDED,
        "max_bulk_rows": scheduling.max_batch_rows,
    }
    return settings.model_copy(update={"scheduling": scheduling.model_copy(update=limits)})
