"""python -m service: read the settings, load the model, serve until told to stop.
python -m service key: make keys; see service.key_command.

SIGTERM or SIGINT drains: readiness and new requests are answered 503 at once, on old connections
and on new ones, while accepted requests finish. Then the port closes and the process exits with 0.
More signals change nothing; drain_timeout_seconds bounds it all. Before the port is open, a signal
ends the process at once.
"""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType

import structlog
import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from service import key_command, logs
from service.api.dependencies import Service
from service.app import create_app
from service.connection import BoundedConnection
from service.errors import InvalidSettings, StartupError
from service.opening import OpenModel, open_model_directory
from service.settings import ServerSettings, Settings, load

log = structlog.stdlib.get_logger("service")

USAGE = """python -m service                     serve
python -m service key                 make and take back keys (--help says more)
python -m service translate-file      translate a file (--help says more)"""
KEEP_ALIVE_SECONDS = 75
"""Longer than the minute after which load balancers drop an idle connection: they close first."""
SWITCH_SECONDS = 0.001
"""How long a thread waits before it asks another one for the interpreter. Requests and batches take
turns: with Python's default, 0.005, 32 clients get 7 % fewer answers."""


def main(open_model: OpenModel = open_model_directory) -> int:
    """Serve. The process' exit code."""
    for number in HANDLED_SIGNALS:  # while loading, when nothing was accepted yet
        signal.signal(number, _end_at_once)
    try:
        settings = load()
        logs.configure(settings.server)
        sys.setswitchinterval(SWITCH_SECONDS)
        config = uvicorn.Config("", log_config=None)  # for its choice of event loop
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(serve(settings, open_model))
    except StartupError as error:
        sys.stderr.write(f"seq2serve cannot start: {error}\n")
        return 1
    return 0


async def serve(settings: Settings, open_model: OpenModel = open_model_directory) -> None:
    """Serve until a signal.

    Raises:
        StartupError: before the port opens.
    """
    started = time.perf_counter()
    with closing(_bound(settings.server)) as listener:
        app = create_app(settings, open_model)
        async with app.router.lifespan_context(app):
            config = uvicorn.Config(
                app,
                lifespan="off",  # it is entered here, so that its errors arrive here
                log_config=None,
                access_log=False,
                server_header=False,
                http=BoundedConnection,
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                forwarded_allow_ips=settings.server.trusted_proxies,
            )
            server = Server(
                config,
                app.state.service,
                on_ready=lambda: log.info(
                    f"ready on {_url(settings.server.host, listener)}",
                    seconds=round(time.perf_counter() - started, 3),
                ),
            )
            await server.serve(sockets=[listener])


class Server(uvicorn.Server):
    """A uvicorn server that drains before it closes its port."""

    def __init__(
        self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then tell."""
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on a signal. Once that is over, signals are of no more use and are ignored."""
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number in HANDLED_SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, from a signal handler or from another thread."""
        self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        seconds = self._service.settings.server.drain_timeout_seconds
        end = time.monotonic() + seconds
        log.info("draining", at_most_seconds=seconds)
        self._service.drain()
        drained = await self._service.drained(seconds)
        log.info("drained", everything=drained)
        # What is left are answers on their way and bodies that still arrive.
        self.config.timeout_graceful_shutdown = max(1, math.ceil(end - time.monotonic()))
        self.should_exit = True


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # Without a handler of its own, process 1 of a container does not even get the signal.
    sys.exit(128 + number)


def _bound(settings: ServerSettings) -> socket.socket:
    """A socket that has its address but does not listen yet: a used port is found out early."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise InvalidSettings(
            f"Cannot listen on {settings.host} port {settings.port}: {error}."
        ) from error
    return listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _command(arguments: Sequence[str]) -> int:
    """Serve, or do what the arguments say instead. The process' exit code."""
    match arguments:
        case []:
            return main()
        case ["key", *rest]:
            return _with_keys(rest)
        case ["translate-file", *rest]:
            from service.bulk import command  # the service has no use for it

            return command.main(rest)
    sys.stderr.write(f"{USAGE}\n")
    return 2


def _with_keys(arguments: Sequence[str]) -> int:
    try:
        return key_command.main(arguments, load().access.keys_file)
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))
