"""Two translations after each other as one: what is asked of each, and what they are together."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from service.domain import (
    Alignment,
    FinishReason,
    Range,
    SentenceTranslation,
    TextTranslation,
    TextualOptions,
    TranslationRequest,
)
from service.errors import InvalidRequest


def require_possible(request: TranslationRequest) -> None:
    """Check the options of a request that is translated through a pivot.

    Raises:
        InvalidRequest: one can't be had.
    """
    if request.options.return_attention:
        raise InvalidRequest(
            "Invalid request: return_attention parameter needs one model for these languages; they "
            "are translated by two models here"
        )


def first_request(request: TranslationRequest) -> TranslationRequest:
    """What the first model is asked: the one best translation.

    How to search is the same for both models. What is about the text that the client gets, and
    chance, are for the second one alone: alternatives, prefixes, tokens and sampling.
    """
    options = replace(
        request.options,
        num_hypotheses=1,
        return_alternatives=False,
        prefix_bias_beta=0.0,
        sampling_topk=1,
        min_decoding_length=min(1, request.options.min_decoding_length),
    )
    textual = TextualOptions(replace_unknowns=request.textual.replace_unknowns)
    return replace(request, options=options, textual=textual, track=True)


def second_request(
    request: TranslationRequest, found: Sequence[TextTranslation]
) -> TranslationRequest:
    """What the second model is asked. All that the first one has kept, or has written instead of a
    term, is kept."""
    return replace(
        request,
        texts=tuple(one.text for one in found),
        glossary=(),
        kept=tuple(one.kept for one in found),
    )


class Pivoted:
    """A text in the pivot language."""

    def __init__(self, found: TextTranslation) -> None:
        """found: what the first model has made of a text."""
        self._found = found
        self._sources: dict[int, list[Range]] = {}
        """Of each of its characters, the words of the text that it comes from."""
        for one in found.alignments:
            for place in range(*one.target):
                self._sources.setdefault(place, []).append(one.source)

    def text(self, second: TextTranslation) -> TextTranslation:
        """What the second model has made of it, with ranges of the text that it was made of."""
        return replace(
            second,
            sentences=tuple(map(self.sentence, second.sentences)),
            alignments=self._composed(second.alignments),
            models=self._found.models + second.models,
        )

    def sentence(self, second: SentenceTranslation) -> SentenceTranslation:
        """A sentence of its translation. Scores are those of the second model.

        It has not ended by itself if the sentences that it was made of, or some of them, have not.
        """
        made_of = self._made_of(second.source_range)
        reasons = (one.finish_reasons[0] for one in made_of)
        early = next((one for one in reasons if one is not FinishReason.END), FinishReason.END)
        own = second.finish_reasons
        return replace(
            second,
            source=" ".join(one.source for one in made_of),
            finish_reasons=tuple(early if one is FinishReason.END else one for one in own),
            source_range=(made_of[0].source_range[0], made_of[-1].source_range[1]),
            alignments=self._composed(second.alignments),
        )

    def _made_of(self, place: Range) -> Sequence[SentenceTranslation]:
        """The sentences that are somewhere in these characters of the pivot language; the one
        before them where there is none."""
        sentences = self._found.sentences
        first = bisect_right(sentences, place[0], key=lambda one: one.target_range[1])
        end = bisect_left(sentences, place[1], key=lambda one: one.target_range[0])
        return sentences[min(first, end - 1) : end] if end else sentences[:1]

    def _composed(self, second: Sequence[Alignment]) -> tuple[Alignment, ...]:
        """Words that belong to the same word of the pivot language belong to each other."""
        pairs = (
            Alignment(source, one.target) for one in second for source in self._from(one.source)
        )
        return tuple(dict.fromkeys(pairs))

    def _from(self, place: Range) -> list[Range]:
        """Words of the text, in order, that these characters of the pivot language come from."""
        return sorted({one for at in range(*place) for one in self._sources.get(at, ())})
