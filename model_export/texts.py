"""The text of a checkpoint whose vocabularies are beside it or inside: ids, tokens, tokenizers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.vocabulary_files import TEXT, TextOptions, Vocabulary, pad, set_template
from service.package.manifest import LanguagePair, Tokens

Side = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class CheckpointText:
    """Both vocabularies, and what the model makes of them."""

    sizes: tuple[int, int]
    """How many source and target tokens the model has."""
    told: TextOptions
    source: Vocabulary
    target: Vocabulary
    masked: Collection[str]
    """Sides ("source", "target") whose token 0 is padding that the model masks."""
    length: int | None
    """How long sources must be, if they must."""

    @classmethod
    def read(
        cls,
        sizes: tuple[int, int],
        inside: Mapping[Side, Vocabulary],
        told: TextOptions,
        masked: Collection[str] = (),
        length: int | None = None,
    ) -> CheckpointText:
        """Read the vocabularies that are files. inside: those that the model itself holds.

        Raises:
            UnsupportedCheckpoint: one is not there or can't be read.
        """
        files = (told.source_vocabulary, told.target_vocabulary)
        problems: list[str] = []
        known: dict[str, Vocabulary] = {}
        for side, path in zip(get_args(Side), files, strict=True):
            try:
                if path is not None:
                    known[side] = Vocabulary.read(path)
                elif side in inside:
                    known[side] = inside[side]
                else:
                    problems.append(
                        f"The {side} vocabulary is not in the file; give --{side}-vocabulary FILE."
                    )
            except UnsupportedCheckpoint as error:
                problems += error.problems
        if problems:
            raise UnsupportedCheckpoint(problems)
        return cls(sizes, told, known["source"], known["target"], masked, length)

    @property
    def boundaries(self) -> tuple[str | None, str | None]:
        """Start and end token, as far as they are known."""
        pair = self.target.pair() or (None, None)
        return self.told.start or pair[0], self.told.end or pair[1]

    def check(self, pairs: Collection[LanguagePair]) -> None:
        """Raises UnsupportedCheckpoint: it does not fit the model, or lacks something."""
        problems = self._problems()
        if not pairs:
            problems.append("The languages are not in the checkpoint; give --pair fr-en.")
        if problems:
            raise UnsupportedCheckpoint(problems)

    def _problems(self) -> list[str]:
        problems = [
            f"{one.name} has {len(one.tokens)} tokens; the model has {size}."
            for one, size in zip((self.source, self.target), self.sizes, strict=True)
            if len(one.tokens) != size
        ]
        for option, token in zip(("start", "end"), self.boundaries, strict=True):
            if token is None:
                problems.append(
                    f"{self.target.name} does not show the {option} token; "
                    f"give --{option}-token TOKEN."
                )
            elif self.target.id_of(token) is None:
                problems.append(f"{self.target.name} has no token {token!r}.")
        if self.boundaries[0] is not None and self._masked("target", self.boundaries[0]):
            problems.append(
                f"The start token {self.boundaries[0]!r} is token 0, which the decoder masks."
            )
        return problems + self._source_problems()

    def tokens(self) -> Tokens:
        """The ids that decoding needs."""
        start, end = (self.target.tokens.index(token or "") for token in self.boundaries)
        unknown = self.target.unknown(self.told)
        number = None if unknown is None else self.target.id_of(unknown)
        return Tokens(start=start, end=end, unknown=number, padding=0)

    def never(self) -> set[int]:
        """Tokens that no translation holds: the start, and padding that the model masks."""
        tokens = self.tokens()
        masked = {0} if "target" in self.masked else set()
        return (masked | {tokens.start}) - {tokens.end}

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of the source and of the target."""
        boundaries = [token for token in self.boundaries if token is not None]
        source = self.source.tokenizer(boundaries, self.told)
        set_template(source, self.source, self.told.source_template or TEXT)
        length = self._padded_length
        if length is not None:
            pad(source, length, self._padding or 0)
        return source, self.target.tokenizer(boundaries, self.told)

    @property
    def _padded_length(self) -> int | None:
        """Without a mask, the model has seen padding as if it were text, and has to again."""
        masked = "source" in self.masked
        return self.told.pad_source or (None if masked else self.length)

    @property
    def _padding(self) -> int | None:
        return 0 if self.told.padding is None else self.source.id_of(self.told.padding)

    def _masked(self, side: str, token: str) -> bool:
        return side in self.masked and self.target.id_of(token) == 0

    def _source_problems(self) -> list[str]:
        around = [token for token in self.boundaries if token in self.source.tokens]
        problems = []
        if self.told.source_template is None and around:
            problems.append(
                f"{self.source.name} has {' and '.join(map(repr, around))}: say what the encoder "
                f"is given with --source-template, such as '{TEXT} {around[-1]}' or '{TEXT}'."
            )
        if self._padding is None:
            problems.append(f"{self.source.name} has no token {self.told.padding!r}.")
        return problems + self.source.problems_as_source(self.told)
