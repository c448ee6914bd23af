"""From the fields of a request to decoding options, within the bounds of the service."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from service.api.dialects.libretranslate.fields import TranslateBody
from service.domain import DecodingOptions, TextualOptions
from service.errors import InvalidRequest, RequestTooLarge
from service.settings import Settings

SEED_BITS = 63
MAX_SEQUENCES = 100
"""Most suppress_sequences, and most end tokens."""
SAME = (
    "patience",
    "coverage_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "disable_unk",
    "prefix_bias_beta",
    "return_alternatives",
    "min_alternative_expansion_prob",
    "sampling_topk",
    "sampling_topp",
    "sampling_temperature",
    "min_decoding_length",
    "return_attention",
)
"""Fields that are decoding options as they are."""

Bounds = dict[str, tuple[float, float, float]]


def bounds(settings: Settings) -> Bounds:
    """Least, greatest and default value of every number."""
    limits, defaults = settings.limits, settings.decoding
    longest = defaults.max_decoding_length
    longest_seconds = settings.scheduling.deadline_seconds
    return {
        "alternatives": (0, limits.max_beam_size - 1, 0),
        "beam_size": (1, limits.max_beam_size, defaults.beam_size),
        "patience": (0.1, 10, 1),
        "num_hypotheses": (1, limits.max_beam_size, 1),
        "length_penalty": (-10, 10, defaults.length_penalty),
        "coverage_penalty": (-10, 10, 0),
        "repetition_penalty": (0.01, 100, 1),
        "no_repeat_ngram_size": (0, longest, 0),
        "prefix_bias_beta": (0, 0.999999, 0),
        "min_alternative_expansion_prob": (0, 1, 0),
        "sampling_topk": (0, 1_000_000, 1),
        "sampling_topp": (0.000001, 1, 1),
        "sampling_temperature": (0, 100, 1),
        "sampling_seed": (0, 2**SEED_BITS - 1, 0),
        "min_decoding_length": (0, longest, 1),
        "max_decoding_length": (1, longest, longest),
        "max_decoding_length_ratio": (0.01, 100, 0),
        "deadline_seconds": (0.001, longest_seconds, longest_seconds),
    }


def decoding_options(body: TranslateBody, settings: Settings) -> DecodingOptions:
    """Check the numbers.

    Raises:
        InvalidRequest: one is out of bounds or contradicts another.
    """
    given = body.model_fields_set
    alternatives = max(0, body.alternatives)
    values: dict[str, Any] = {}
    for name, (least, most, default) in bounds(settings).items():
        value = getattr(body, name) if name in given else default
        if name == "alternatives":
            value = alternatives
        if name in given:
            within(name, value, least, most)
        values[name] = value
    within("min_decoding_length", body.min_decoding_length, 0, values["max_decoding_length"])
    same: dict[str, Any] = {name: values.get(name, getattr(body, name)) for name in SAME}
    beam_size, num_hypotheses = values["beam_size"], max(body.num_hypotheses, alternatives + 1)
    if alternatives and not body.return_alternatives and not _draws_each(body, beam_size):
        beam_size = max(beam_size, alternatives + 1)
    try:
        options = DecodingOptions(
            beam_size=beam_size,
            num_hypotheses=num_hypotheses,
            length_penalty=values["length_penalty"],
            max_decoding_length=values["max_decoding_length"],
            max_decoding_length_ratio=values["max_decoding_length_ratio"] or None,
            sampling_seed=body.sampling_seed,
            **same,
        )
        if options.samples and "sampling_seed" not in given:
            options = replace(options, sampling_seed=secrets.randbits(SEED_BITS))
    except ValueError as error:
        raise InvalidRequest(f"Invalid request: {error}") from None
    if options.rows > settings.scheduling.max_batch_rows:
        raise InvalidRequest(
            "Invalid request: beam_size × num_hypotheses must be <= "
            f"{settings.scheduling.max_batch_rows} here"
        )
    return options


def textual_options(body: TranslateBody) -> TextualOptions:
    """Check the options that are text.

    Raises:
        InvalidRequest: there are too many, or not one target_prefix for each text.
    """
    suppressed, ends = _listed(body.suppress_sequences), _listed(body.end_token)
    for name, values in (("suppress_sequences", suppressed), ("end_token", ends)):
        if len(values) > MAX_SEQUENCES:
            raise InvalidRequest(
                f"Invalid request: {name} parameter must not have more than {MAX_SEQUENCES} items"
            )
    return TextualOptions(
        target_prefixes=_prefixes(body),
        suppress_sequences=tuple(
            one if isinstance(one, str) else tuple(one) for one in suppressed if one
        ),
        end_token=tuple(str(one) for one in ends if one),
        replace_unknowns=body.replace_unknowns,
    )


def characters(textual: TextualOptions) -> int:
    """How much text the options hold."""
    sequences = ("".join(one) for one in textual.suppress_sequences)
    return sum(map(len, (*textual.target_prefixes, *textual.end_token, *sequences)))


def within(name: str, value: float, least: float, most: float) -> None:
    """Check a number.

    Raises:
        InvalidRequest: it is out of bounds.
    """
    if value < least:
        raise InvalidRequest(f"Invalid request: {name} parameter must be >= {least}")
    if value > most:
        raise InvalidRequest(f"Invalid request: {name} parameter must be <= {most}")


def at_most(size: int, limit: int) -> None:
    """Check how much there is.

    Raises:
        RequestTooLarge: it is too much.
    """
    if size > limit:
        raise RequestTooLarge(f"Invalid request: request ({size}) exceeds text limit ({limit})")


def _draws_each(body: TranslateBody, beam_size: float) -> bool:
    """Whether hypotheses are independent draws, which need no beam."""
    return beam_size == 1 and body.sampling_topk != 1 and body.sampling_temperature != 0


def _prefixes(body: TranslateBody) -> tuple[str, ...]:
    if not body.target_prefix:
        return ()
    if isinstance(body.target_prefix, str) and isinstance(body.q, str):
        return (body.target_prefix,)
    lists = isinstance(body.target_prefix, list) and isinstance(body.q, list)
    if lists and len(body.target_prefix) == len(body.q):
        return tuple(body.target_prefix)
    raise InvalidRequest(
        "Invalid request: target_prefix parameter must be a string if q is one, else an array of "
        "as many strings as q has"
    )


def _listed(value: str | list[str] | list[str | list[str]]) -> list[str] | list[str | list[str]]:
    return [value] if isinstance(value, str) else value
