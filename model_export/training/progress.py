"""Show how training goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

SECONDS_BETWEEN_LINES = 60


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands."""

    step: int
    done: float
    """Share of the budget that is used, 0 to 1."""
    seconds_left: float
    loss: float
    learning_rate: float
    tokens_per_second: float

    def __str__(self) -> str:
        return (
            f"step {self.step:,}  loss {self.loss:.3f}  lr {self.learning_rate:.2e}  "
            f"{self.tokens_per_second:,.0f} tokens/s  {_duration(self.seconds_left)} left"
        )


class ProgressDisplay:
    """Use it as a context manager, from one thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line = -float("inf")
        self._bar = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, state: State) -> None:
        """Show the newest state."""
        self._bar.update(self._task, completed=state.done, description=str(state))
        if self._console.is_terminal or time.monotonic() < self._last_line + SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        self.say(f"{state.done:5.1%}  {state}")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h"
