"""python -m model_export.training.lstm_translate RUN [SENTENCE ...] [--beam N] [--picture FILE]

Translate with what a run has trained so far; without sentences, the lines of standard input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_export.attention import DPI, picture_of
from model_export.training.lstm import load
from model_export.training.lstm_decoding import Translator, pad, translate
from model_export.training.lstm_vocabulary import END, Vocabulary


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_intermixed_args(arguments)
    translator, (source, target) = load(options.run)
    sentences = options.sentence or [line.strip() for line in sys.stdin]
    sources = [[*source.encode(sentence), END] for sentence in sentences]
    for found in translate(translator, sources, options.beam):
        sys.stdout.write(target.decode(found) + "\n")
    if options.picture:
        draw(translator, source, target, sources[0], options.picture)


def draw(
    translator: Translator,
    source: Vocabulary,
    target: Vocabulary,
    source_ids: list[int],
    picture: Path,
) -> None:
    """Draw what the greedy translation of a sentence attended to, token by token."""
    chosen, attention = translator.greedy(pad([source_ids]))
    figure = picture_of(attention[0], source.pieces(source_ids), target.pieces(chosen[0]))
    figure.savefig(picture, dpi=DPI)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_export.training.lstm_translate",
        description="Translate with what a run of the LSTM recipe has trained so far.",
    )
    parser.add_argument("run", type=Path, help="the run's --out")
    parser.add_argument("sentence", nargs="*", help="without any: lines of standard input")
    parser.add_argument("--beam", type=int, default=1, metavar="N", help="1 is greedy (1)")
    parser.add_argument("--picture", type=Path, help="draw the first sentence's attention here")
    return parser


if __name__ == "__main__":
    main()
