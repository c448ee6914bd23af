"""Every error the exporter raises on purpose.

ExportError
├── UnsupportedCheckpoint      the source can't be converted; the message lists every reason
├── DestinationExists          what is at the destination is not replaced, unasked or at all
├── InvalidName                a model can't have this name
├── CannotDraw                 a sentence's attention can't be shown or drawn
├── InvalidTestSet             a test set's files can't be read or do not belong together
└── VerificationFailed         what was written does not compute what the source computes
"""

from __future__ import annotations

from collections.abc import Sequence


class ExportError(Exception):
    """A conversion that can't be done. The message says what would be right."""


class UnsupportedCheckpoint(ExportError):
    """The source can't be converted.

    problems: every reason found, one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


class DestinationExists(ExportError):
    """What is at the destination is not replaced: nobody asked, or it is no model directory."""


class InvalidName(ExportError):
    """A model can't have this name."""


class CannotDraw(ExportError):
    """A sentence's attention can't be shown or drawn."""


class InvalidTestSet(ExportError):
    """A test set's files can't be read or do not belong together."""


class VerificationFailed(ExportError):
    """What was written does not compute what the source computes."""
