"""Plots of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

Line = Sequence[tuple[float, float]]
INCHES = 4.2


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Line]
    log_x: bool = False
    log_y: bool = False


def write(panels: Sequence[Panel], path: Path, columns: int) -> None:
    """Write the panels, in rows of this many, as an image; its folder is made."""
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(INCHES * columns, INCHES * 0.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        for name, line in panel.lines.items():
            if line:
                axis.plot(
                    *zip(*line, strict=True), marker="." if len(line) < 50 else "", label=name
                )
        axis.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
        if panel.log_x:
            axis.set_xscale("log", base=2)
        if panel.log_y:
            axis.set_yscale("log")
        if len(axis.lines) > 1:
            axis.legend()
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"plot: {path}")
