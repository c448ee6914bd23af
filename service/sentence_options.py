"""From the options of a request to those of each of its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from service.domain import DecodingOptions, TextualOptions, TranslationRequest
from service.errors import InvalidRequest


class TargetText(Protocol):
    """Strings → target ids; see service.text.pipeline."""

    def target_ids(self, text: str) -> tuple[int, ...]:
        """Target ids of a text, without the end token."""

    def target_token(self, token: str) -> int:
        """Id of a token as the target's vocabulary spells it."""


def require_no_attention(request: TranslationRequest) -> None:
    """Check the options of a request to a model that has no attention to the source.

    Raises:
        InvalidRequest: one can't be had without.
    """
    asked = {
        "return_attention": request.options.return_attention,
        "return_alignments": request.align,
        "replace_unknowns": request.textual.replace_unknowns is True,
        "coverage_penalty": request.options.coverage_penalty != 0,
    }
    for name, wanted in asked.items():
        if wanted:
            raise InvalidRequest(
                f"Invalid request: {name} parameter needs a model with attention; this one has none"
            )


def with_ids(
    options: DecodingOptions, textual: TextualOptions, text: TargetText
) -> DecodingOptions:
    """The options with what is the same for all sentences turned into ids.

    Raises:
        InvalidRequest: the model does not know some of it.
    """
    if textual == TextualOptions():
        return options
    sequences = (_sequence(one, text) for one in textual.suppress_sequences)
    return replace(
        options,
        suppress_sequences=tuple(sequence for sequence in sequences if sequence),
        end_token=_tokens("end_token", textual.end_token, text),
    )


def of_sentences(
    options: DecodingOptions,
    prefixes: Sequence[str],
    texts: Sequence[Sequence[tuple[int, ...]]],
    text: TargetText,
) -> Iterator[DecodingOptions]:
    """The options of every sentence of every text.

    Each sentence has random numbers of its own, which depend on its place in its text alone.

    Args:
        prefixes: none at all, or one for each text.
        texts: source ids of the sentences of each text.

    Raises:
        InvalidRequest: the model does not know some prefix.
    """
    for index, sentences in enumerate(texts):
        prefix = prefixes[index] if prefixes else ""
        for place, source_ids in enumerate(sentences):
            own = options.for_source(len(source_ids))
            if options.samples:
                own = replace(own, sampling_seed=_seed(options.sampling_seed, place))
            if prefix and place == 0:
                own = replace(own, target_prefix=_ids("target_prefix", prefix, text))
            yield own


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def _sequence(sequence: str | tuple[str, ...], text: TargetText) -> tuple[int, ...]:
    if isinstance(sequence, str):
        return _ids("suppress_sequences", sequence, text)
    return _tokens("suppress_sequences", sequence, text)


def _ids(name: str, value: str, text: TargetText) -> tuple[int, ...]:
    try:
        return text.target_ids(value)
    except ValueError as error:
        raise InvalidRequest(f"Invalid request: {name} parameter {error}") from None


def _tokens(name: str, tokens: Sequence[str], text: TargetText) -> tuple[int, ...]:
    try:
        return tuple(text.target_token(token) for token in tokens)
    except ValueError as error:
        raise InvalidRequest(f"Invalid request: {name} parameter {error}") from None
