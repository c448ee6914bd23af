"""Write goldens.json: text → ids by SentencePiece.

Run from the repository's root: python -m tests.data.text.make_goldens MODEL_DIRECTORY
with a directory that holds source.spm and vocab.json.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from tests.service.text.hostile import SHORT

HERE = Path("tests/data/text")


def main(directory: Path) -> None:
    """Write goldens.json for the model in directory."""
    spm = directory / "source.spm"
    processor = SentencePieceProcessor(model_file=str(spm))
    vocabulary = json.loads((directory / "vocab.json").read_text(encoding="utf-8"))
    lines = [
        line
        for name in ("tatoeba.fr", "tatoeba.en")
        for line in (HERE / name).read_text(encoding="utf-8").splitlines()
    ]
    goldens = {
        "source.spm": hashlib.sha256(spm.read_bytes()).hexdigest(),
        "texts": [
            {"text": text, "ids": ids(processor, vocabulary, text)} for text in [*lines, *SHORT]
        ],
    }
    written = json.dumps(goldens, ensure_ascii=True, separators=(",", ":"))
    (HERE / "goldens.json").write_text(written.replace('{"text"', '\n{"text"') + "\n")


def ids(processor: SentencePieceProcessor, vocabulary: dict[str, int], text: str) -> list[int]:
    """The model's ids, end token added."""
    pieces = [processor.id_to_piece(number) for number in processor.encode(text)]
    unknown = vocabulary["<unk>"]
    return [*(vocabulary.get(piece, unknown) for piece in pieces), vocabulary["</s>"]]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
