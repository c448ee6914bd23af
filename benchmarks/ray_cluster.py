"""A Ray cluster whose nodes are all on this machine, with the service on it. Linux only."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster

from benchmarks.services import ROOT
from service.cluster import application
from service.opening import OpenModel, open_model_directory
from service.settings import Settings

NAME = "translation"
STORE_BYTES = 100 * 2**20
"""Of each node, for objects that are too large for messages; nothing of ours is."""
SECONDS = 180
"""How long anything may take."""
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    # How often autoscaling is told, in seconds; Ray's default is 10.
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}


@dataclass(frozen=True, slots=True)
class Nodes:
    """The machines of a cluster. The first one has Serve's proxy."""

    cluster: Any
    url: str
    added: list[Any] = field(default_factory=list)

    def add(self, cpus: int) -> None:
        """One more node with so many (simulated) processors."""
        self.added.append(self.cluster.add_node(num_cpus=cpus, object_store_memory=STORE_BYTES))

    def kill_last(self) -> None:
        """Pull the plug of the node that was added last: SIGKILL for all that runs on it."""
        for process in self.last_processes():
            kill(process)
        self.cluster.remove_node(self.added.pop(), allow_graceful=False)

    def last_processes(self) -> set[int]:
        """Process ids of the node that was added last, and of all that runs on it."""
        raylet: int = self.added[-1].all_processes["raylet"][0].process.pid
        return {raylet, *_descendants(raylet)}

    def run(
        self,
        settings: Settings,
        open_model: OpenModel = open_model_directory,
        engine: Mapping[str, Any] | None = None,
        ingress: Mapping[str, Any] | None = None,
    ) -> None:
        """Have Serve run the application, or change into it; until it is ready."""
        serve.run(application.build(settings, open_model, engine, ingress), name=NAME)

    def replicas(self, deployment: str) -> int:
        """How many of them are running."""
        found = serve.status().applications[NAME].deployments[deployment]
        return int(found.replica_states.get("RUNNING", 0))

    def processes(self, deployment: str) -> list[int]:
        """Process ids of its replicas."""
        title = f"ray::ServeReplica:{NAME}:{deployment}".encode()
        return [one for one in _descendants(os.getpid()) if _command(one).startswith(title)]


@contextmanager
def nodes(cpus: int) -> Iterator[Nodes]:
    """A cluster whose first node has so many (simulated) processors, with Serve."""
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        os.environ["RAY_TMPDIR"] = folder
        head = {"num_cpus": cpus, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            ray.init(address=cluster.address, log_to_driver=False, logging_level="warning")
            port = _free_port()
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            yield Nodes(cluster, f"http://127.0.0.1:{port}")
        finally:
            serve.shutdown()
            ray.shutdown()
            cluster.shutdown()


def until(condition: Callable[[], bool], seconds: float = SECONDS) -> float:
    """Wait for something; how many seconds that took.

    Raises:
        TimeoutError: it did not come about.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() > started + seconds:
            raise TimeoutError(f"it did not come about in {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - started


def _descendants(process: int) -> list[int]:
    children = [
        int(number)
        for file in Path(f"/proc/{process}").glob("task/*/children")
        for number in file.read_text(encoding="ascii").split()
    ]
    return [one for child in children for one in (child, *_descendants(child))]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:  # it has ended
        return b""


def kill(process: int) -> None:
    """Kill a process, if it is still there, without any warning."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:  # it went with its parent
        return


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
