"""Every error that training raises on purpose.

ExportError
└── TrainingError        the message says what would be right
    ├── BadData          a data file can't be used; the message lists the faults found
    └── BadRun           the output directory holds something that this run can't go on from
"""

from __future__ import annotations

from collections.abc import Sequence

from model_export.errors import ExportError

LISTED = 20
"""Faults that a message lists before it only counts them."""


class TrainingError(ExportError):
    """Training that can't be done. The message says what would be right."""


class BadData(TrainingError):
    """A data file can't be used.

    problems: one line each, with file and line number where there is one.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        lines = [f"- {problem}" for problem in self.problems[:LISTED]]
        if len(self.problems) > LISTED:
            lines.append(f"- and {len(self.problems) - LISTED} more")
        super().__init__("The data can't be used:\n" + "\n".join(lines))


class BadRun(TrainingError):
    """The output directory holds something that this run can't go on from."""
