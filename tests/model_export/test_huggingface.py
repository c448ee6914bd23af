"""What the files of Hugging Face's checkpoints say, as transformers understands it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_export import sources
from service.package.manifest import Conditioning
from tests.conftest import DATA

Copy = Callable[[str], Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copies a checkpoint, to be changed."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(DATA / "families" / name, tmp_path / "checkpoint"))

    return copied


def change(file: Path, **changes: Any) -> None:
    """Set fields of a JSON file, which need not be there; None takes one away."""
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    content = {name: one for name, one in (content | changes).items() if one is not None}
    file.write_text(json.dumps(content), encoding="utf-8")


def say_the_class(source: Path) -> None:
    change(source / "tokenizer_config.json", tokenizer_class="SMALL100Tokenizer")


def put_the_code_beside_it(source: Path) -> None:
    (source / "tokenization_small100.py").touch()


@pytest.mark.parametrize("tell", [say_the_class, put_the_code_beside_it])
def test_small_100_is_told_the_target_alone(copy: Copy, tell: Callable[[Path], None]) -> None:
    source = copy("m2m100")
    tell(source)
    found = sources.load(source)
    assert found.conditioning == Conditioning(before=["target"])
    assert (len(found.sources), len(found.targets)) == (100, 100)
