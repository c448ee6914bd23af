"""What a run has measured so far: one JSON object a line, appended as it goes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

Record = Mapping[str, float | str]
"""Has "step". Training: "loss", "learning_rate", "tokens", "seconds", "tokens_per_second".
A measurement on a development set: "set", and any of "loss", "bleu", "chrf"."""

JOURNAL_NAME = "log.jsonl"


class Journal:
    """The journal of a run. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Record) -> None:
        """Append a record."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def rewind(self, step: int) -> None:
        """Forget what came after this step, which is about to be done again."""
        kept = [record for record in read_journal(self.path) if float(record["step"]) <= step]
        temporary = self.path.with_name(f".{self.path.name}.new")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), "utf-8")
        os.replace(temporary, self.path)


def read_journal(path: Path) -> list[dict[str, float | str]]:
    """All records; a last line that was cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
