"""An engine in a process of its own: `python -m service.engine.process FILE_DESCRIPTOR`.

The file descriptor is that of a socket to the service; see messages. The process ends when the
service hangs up, however that came about, and at no signal that a terminal or a container sends to
both.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from contextlib import closing

from service import logs
from service.engine import local
from service.engine.channel import Channel
from service.engine.messages import Refused, Started
from service.engine.server import Server
from service.errors import StartupError
from service.settings import Settings

PR_SET_PDEATHSIG = 1
NICENESS = 5
"""So that the service is not kept waiting by its engine where both want a processor. Without it a
refusal under overload takes 0.2 seconds, not 3 ms."""


def main() -> int:
    """Serve one service. The process' exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with closing(Channel(socket.socket(fileno=int(sys.argv[1])))) as channel:
        content = channel.receive()
        if content is None:
            return 0
        settings = Settings.model_validate_json(content)
        with logs.background(sys.stderr) as log_stream:
            logs.configure(settings.server, log_stream)
            return _serve(channel, settings)


def _serve(channel: Channel, settings: Settings) -> int:
    try:
        _end_with_the_service()
        os.nice(NICENESS)
        with local.running(settings) as engine:
            channel.send(Started())
            Server(engine, channel).run()
    except StartupError as error:
        channel.send(Refused(type(error).__name__, str(error)))
        return 1
    return 0


def _end_with_the_service() -> None:
    """Be killed when the service ends, even if the engine hangs then. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
