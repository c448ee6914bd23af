"""Start an engine in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from service.engine.channel import Channel
from service.engine.messages import REPLY, Refused, Started
from service.engine.remote import RemoteEngine, refusal
from service.errors import InvalidPackage
from service.settings import Settings

GONE = "The engine's process has ended before it was ready; standard error says why."
SECONDS_TO_END = 10
"""After that, a process that was asked to end is killed."""


@contextmanager
def running(settings: Settings) -> Iterator[RemoteEngine]:
    """As local.running(), in another process."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.engine.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    with closing(Channel(ours)) as channel:
        try:
            _await_start(channel, settings)
            engine = RemoteEngine(channel)
            try:
                yield engine
            finally:
                engine.stop()
        finally:
            channel.hang_up()
            _end(process)


def _await_start(channel: Channel, settings: Settings) -> None:
    channel.send(settings)
    content = channel.receive()
    reply = None if content is None else REPLY.validate_json(content)
    if isinstance(reply, Refused):
        raise refusal(reply)
    if not isinstance(reply, Started):
        raise InvalidPackage(GONE)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
