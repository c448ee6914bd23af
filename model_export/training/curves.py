"""Draw a run's journal: loss, BLEU, chrF and learning rate over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_export.training.errors import BadRun
from model_export.training.journal import JOURNAL_NAME, read_journal

CURVES_NAME = "curves.png"

Records = Sequence[Mapping[str, float | str]]


def draw(run: Path) -> Path:
    """Draw run/log.jsonl as run/curves.png and return that path.

    Raises:
        BadRun: there is no record to draw.
    """
    records = read_journal(run / JOURNAL_NAME)
    if not records:
        raise BadRun(f"{run / JOURNAL_NAME} has no record yet.")
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    panels = zip(axes.flat, ("loss", "bleu", "chrf", "learning_rate"), strict=True)
    for panel, quantity in panels:
        _draw_panel(panel, records, quantity)
    figure.savefig(run / CURVES_NAME, dpi=120)
    return run / CURVES_NAME


def _draw_panel(axes: Axes, records: Records, quantity: str) -> None:
    measured = [record for record in records if quantity in record]
    for name in dict.fromkeys(str(record.get("set", "training")) for record in measured):
        chosen = [record for record in measured if record.get("set", "training") == name]
        axes.plot(
            [float(record["step"]) for record in chosen],
            [float(record[quantity]) for record in chosen],
            label=name,
            linewidth=1,
            marker="." if name != "training" else "",
        )
    axes.set_title({"bleu": "BLEU", "chrf": "chrF"}.get(quantity, quantity.replace("_", " ")))
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if measured and "set" in measured[-1]:
        axes.legend()
