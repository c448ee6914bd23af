"""Options of the command line for checkpoints that do not say all of their text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from model_export.vocabulary_files import TextOptions
from model_export.word_lists import Standardization

ESCAPES = {r"\t": "\t", r"\n": "\n"}
"""Tokens that nobody can type."""


def add_text(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("text, if the checkpoint does not say it")
    for side in ("source", "target"):
        group.add_argument(
            f"--{side}-vocabulary",
            type=Path,
            metavar="FILE",
            help=f"tokens of the {side} language by their ids: one a line, a JSON list or object, "
            "or a SentencePiece model (.spm, .model)",
        )
    group.add_argument("--start-token", type=_token, metavar="TOKEN", help="the decoder's first")
    group.add_argument("--end-token", type=_token, metavar="TOKEN", help="ends a translation")
    group.add_argument(
        "--unknown-token", type=_token, metavar="TOKEN", help="stands for text without a token"
    )
    group.add_argument(
        "--drop-unknown", action="store_true", help="leave out text that has no token"
    )
    group.add_argument(
        "--source-template",
        metavar="TEMPLATE",
        help="what the encoder is given, such as '[start] $A [end]'; $A is the sentence",
    )
    group.add_argument(
        "--standardize",
        choices=get_args(Standardization),
        help="what was done to the text of a list of words before it was split",
    )
    group.add_argument(
        "--pad-source",
        type=int,
        metavar="N",
        help="fill shorter sources up to N tokens, for models that were trained on padding without "
        "a mask",
    )
    group.add_argument(
        "--padding-token", type=_token, metavar="TOKEN", help="what they are filled with (token 0)"
    )


def text_options(options: argparse.Namespace) -> TextOptions:
    """What the command line said."""
    return TextOptions(
        source_vocabulary=options.source_vocabulary,
        target_vocabulary=options.target_vocabulary,
        start=options.start_token,
        end=options.end_token,
        unknown=options.unknown_token,
        drop_unknown=options.drop_unknown,
        source_template=options.source_template,
        standardization=options.standardize,
        pad_source=options.pad_source,
        padding=options.padding_token,
    )


def _token(text: str) -> str:
    return ESCAPES.get(text, text)
