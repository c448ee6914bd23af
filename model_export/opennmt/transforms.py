"""What was done to text in training, by the names of OpenNMT-py's and Eole's transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SAME_TEXT = """
    bart clean filtertoolong filtertooshort insert_mask_before_placeholder sentencepiece switchout
    tokendrop tokenmask uppercase
"""
"""Transforms after which the model is given what SentencePiece or spaces make of text: they choose
examples, or blur them in training. uppercase is for some examples only."""
AROUND = {"prefix", "suffix"}
"""Transforms that --source-template stands for."""


def transform_problems(options: Mapping[str, Any], *, with_template: bool) -> list[str]:
    """Of transforms that change text to what the model is not given here.

    options: transforms, and data with those of each corpus. with_template: whether the command line
    says what stands around a sentence.
    """
    allowed = {*SAME_TEXT.split(), *(AROUND if with_template else ())}
    return [
        f"The transform {name} was used on text"
        + (
            "; say what it puts around a sentence with --source-template, such as 'TAG $A'."
            if name in AROUND
            else ", which is not supported."
        )
        for name in sorted(set(_used(options)) - allowed)
    ]


def _used(options: Mapping[str, Any]) -> Iterator[str]:
    yield from options.get("transforms") or ()
    corpora = options.get("data")
    if isinstance(corpora, Mapping):
        for corpus in corpora.values():
            if isinstance(corpus, Mapping):
                yield from corpus.get("transforms") or ()
