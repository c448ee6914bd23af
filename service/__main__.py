"""python -m service: read the settings, load the model, serve until told to stop.
python -m service key: make keys; see service.key_command.
python -m service translate-file: translate a file; see service.bulk.command.

SIGTERM or SIGINT drains: readiness and new requests are answered 503 at once, on old connections
and on new ones, while accepted requests finish. Then the port closes and the process exits with 0.
More signals change nothing; drain_timeout_seconds bounds it all. Before the port is open, a signal
ends the process at once.

When the engine has died, or makes no step any more, the process ends by itself with service.watch's
exit code, so that whatever runs it starts a new one.
"""

from __future__ import annotations

import asyncio
import gc
import math
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
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
from service.watch import GIVEN_UP, Watch

log = structlog.stdlib.get_logger("service")

USAGE = """python -m service                     serve
python -m service key                 make and take back keys (--help says more)
python -m service translate-file      translate a file (--help says more)"""
KEEP_ALIVE_SECONDS = 75
"""Longer than the minute after which load balancers drop an idle connection: they close first."""
SWITCH_SECONDS = 0.001
"""How long a thread waits before it asks another one for the interpreter. Requests and batches take
turns: with Python's default, 0.005, 32 clients get 7 % fewer answers."""
OLD_THRESHOLD = 10_000
"""Collections of young objects between two of all; Python's default is 10."""
MOST_FILES = 65_536
"""File descriptors, and so connections."""
LEFT_SECONDS = 2.0
"""What is left for answers on their way when the engine was given up. There will be no others."""
END_SECONDS = 15.0
"""How much longer than it may drain a process may take to end; then it is ended."""


def main(open_model: OpenModel = open_model_directory) -> int:
    """Serve. The process' exit code."""
    for number in HANDLED_SIGNALS:  # while loading, when nothing was accepted yet
        signal.signal(number, _end_at_once)
    try:
        settings = load()
        sys.setswitchinterval(SWITCH_SECONDS)
        _allow_many_connections()
        config = uvicorn.Config("", log_config=None)  # for its choice of event loop
        with (
            logs.background(sys.stderr) as log_stream,
            asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
        ):
            logs.configure(settings.server, log_stream)
            return runner.run(serve(settings, open_model))
    except StartupError as error:
        sys.stderr.write(f"seq2serve cannot start: {error}\n")
        return 1


async def serve(settings: Settings, open_model: OpenModel = open_model_directory) -> int:
    """Serve until a signal, or until the engine has to be given up. The process' exit code.

    Raises:
        StartupError: before the port opens.
    """
    started = time.perf_counter()
    with closing(_bound(settings.server)) as listener, ExitStack() as until_the_end:
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
            until_the_end.enter_context(server.watch)
            _collect_rarely()
            await server.serve(sockets=[listener])
    return GIVEN_UP if server.gave_up else 0


class Server(uvicorn.Server):
    """A uvicorn server that drains before it closes its port."""

    def __init__(
        self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready
        self._draining: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        stuck_seconds = service.settings.runtime.stuck_seconds
        self.watch = Watch(service.engine_pulse, stuck_seconds, self._give_up)
        """To be entered by whoever runs this, and left when the engine is."""

    @property
    def gave_up(self) -> bool:
        """Whether it ends because of its engine."""
        return self._service.fault is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then tell."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port; requests that were given up are told so before anything else ends."""
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LEFT_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on a signal. Once that is over, signals are of no more use and are ignored."""
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
        seconds = self._service.settings.server.drain_timeout_seconds
        self._loop.call_soon_threadsafe(self._begin_to_drain, seconds)

    def _give_up(self, fault: str) -> None:
        """End because of the engine, from another thread. The event loop may be waiting for it."""
        self._service.fault = fault
        self.watch.end_within(LEFT_SECONDS + END_SECONDS)
        self._loop.call_soon_threadsafe(self._begin_to_drain, LEFT_SECONDS)

    def _begin_to_drain(self, seconds: float) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(seconds))

    async def _drain(self, seconds: float) -> None:
        self.watch.end_within(seconds + END_SECONDS)
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


def _collect_rarely() -> None:
    """Look through everything for garbage in cycles about once in an hour, not every few seconds.

    With 500 requests waiting it takes 0.2 seconds, in which nobody is answered, and finds nothing:
    requests leave no cycles. What is there now stays, and is never looked through.
    """
    gc.collect()
    gc.freeze()
    youngest, young, _ = gc.get_threshold()
    gc.set_threshold(youngest, young, OLD_THRESHOLD)


def _allow_many_connections() -> None:
    """Take as many file descriptors as the system lets us have; its default is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
