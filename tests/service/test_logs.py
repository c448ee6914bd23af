from __future__ import annotations

import errno
import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError

from service import logs
from service.settings import ServerSettings
from tests.end_to_end.conftest import until


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


def written(**settings: Any) -> str:
    """What a structlog logger and a logger of the standard library write."""
    stream = io.StringIO()
    logs.configure(ServerSettings.model_validate(settings), stream)
    structlog.stdlib.get_logger("ours").info("told", number=1)
    logging.getLogger("uvicorn.error").warning("heard of %s", "it")
    return stream.getvalue()


def test_every_line_is_json_whoever_wrote_it() -> None:
    ours, theirs = map(json.loads, written().splitlines())
    assert ours.items() >= {"event": "told", "number": 1, "logger": "ours", "level": "info"}.items()
    assert theirs["event"] == "heard of it"
    assert theirs["level"] == "warning"
    assert set(theirs) == {"event", "logger", "level", "timestamp"}


def test_lines_for_people() -> None:
    ours, theirs = written(log_format="console").splitlines()
    assert "told" in ours
    assert "number=1" in ours
    assert "heard of it" in theirs


def test_less_severe_lines_are_left_out() -> None:
    assert "told" not in written(log_level="warning")


def test_a_traceback_is_one_line() -> None:
    stream = io.StringIO()
    logs.configure(ServerSettings(), stream)
    try:
        int("no number")
    except ValueError:
        structlog.stdlib.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "no number" in json.loads(line)["exception"]


def test_a_failure_is_told_without_its_message() -> None:
    def fail() -> None:
        raise ValueError("quoting a user")

    with pytest.raises(ValueError, match="quoting") as caught:
        fail()
    told = logs.failure(caught.value)
    assert told["error"] == "ValueError"
    assert "fail" in str(told["frames"])
    assert "quoting" not in str(told)


def test_the_parser_of_forms_does_not_quote_its_clients() -> None:
    stream = io.StringIO()
    logs.configure(ServerSettings(), stream)
    fields: list[object] = []
    for content_type, body in (
        (b"multipart/form-data; boundary=b", b"--b\r\nsecr\x00et: a\r\n\r\n"),
        (b"multipart/form-data", b""),
    ):
        with suppress(FormParserError, ValueError):
            parser = create_form_parser({"Content-Type": content_type}, fields.append, None)
            parser.write(body)
            raise AssertionError("it was parsed")
    assert stream.getvalue() == ""


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    reading, writing = os.pipe()
    pipe = os.fdopen(writing, "w")
    stream = logs.Background(pipe, most_lines=100)

    def end() -> None:
        stream.end()
        pipe.close()

    for number in range(10_000):
        stream.write(f"{number:1000}\n")  # far more than a pipe holds
    ending = threading.Thread(target=end)
    ending.start()
    with os.fdopen(reading) as reader:
        read = list(reader)
    ending.join()
    numbers = [int(line) for line in read if line.strip().isdecimal()]
    lost = [int(line.split()[0]) for line in read if line.endswith("lost\n")]
    assert numbers[:100] == list(range(100))
    assert numbers == sorted(numbers)
    assert len(numbers) + sum(lost) == 10_000


class Full(io.StringIO):
    """A disk that has no room at first."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_that_could_not_be_written_are_counted() -> None:
    stream = Full()
    written = logs.Background(stream)
    for _ in range(3):
        written.write("lost\n")
    until(lambda: written.lost == 3)
    stream.full = False
    written.write("told\n")
    written.end()
    assert stream.getvalue() == "3 lines of the log were lost\ntold\n"
