"""What a reader of a format makes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from service.domain import Format


class Contents(Protocol):
    """A file that was read."""

    @property
    def texts(self) -> Sequence[str]:
        """What is to be translated, in the order of the document."""

    @property
    def format(self) -> Format:
        """What the texts are written in."""

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with a translation for each text; nothing else in it is changed.

        target: code of the language of the translations.
        """


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may hold, so that reading it ends."""

    max_expanded_bytes: int
    """All members of an archive together, unpacked."""
    max_characters: int
    """Of all texts together."""
    max_paragraph_characters: int
    """Of each text."""
