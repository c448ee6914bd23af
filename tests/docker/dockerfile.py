"""Read an image file: just enough to test what it says."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "docker" / "service.Dockerfile"
EXPORT = ROOT / "docker" / "export.Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """A line of an image file: KEYWORD arguments."""

    keyword: str
    arguments: str

    @property
    def command(self) -> list[str]:
        """The exec form's words. Raises ValueError where it is the shell form."""
        words = json.loads(self.arguments[self.arguments.index("[") :])
        assert isinstance(words, list)
        return words


def instructions(path: Path) -> list[Instruction]:
    """All of them, in order, comments left out and continued lines joined."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parts = (line.split(maxsplit=1) for line in joined.splitlines())
    return [Instruction(keyword.upper(), arguments) for keyword, arguments in parts]


def last(path: Path, keyword: str) -> Instruction:
    """The one that counts where an instruction stands several times."""
    return [found for found in instructions(path) if found.keyword == keyword][-1]


def environment(path: Path, stage: str | None = None) -> dict[str, str]:
    """What ENV sets, in this stage or in all."""
    variables: dict[str, str] = {}
    current = ""
    for found in instructions(path):
        if found.keyword == "FROM":
            current = found.arguments.rpartition(" AS ")[2]
        elif found.keyword == "ENV" and stage in (None, current):
            variables |= dict(word.split("=", 1) for word in shlex.split(found.arguments))
    return variables


def copied(path: Path) -> list[str]:
    """What COPY takes from the build context."""
    return [
        source
        for found in instructions(path)
        if found.keyword == "COPY" and not found.arguments.startswith("--from")
        for source in found.arguments.split()[:-1]
    ]
