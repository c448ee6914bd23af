"""Lists of words or characters → `tokenizers` files. A token's id is its place in the list.

Special tokens have names that text never matches: they begin with a space, which no word holds, and
no single character has two. Tokens come in three spellings: words that spaces stand between,
characters, and words in which ▁ stands for the space before them, as the project's own recipe
writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from service.text.tokenizer import LEFT_OUT, NEVER_IN_TEXT

Spelling = Literal["words", "characters", "marked words"]
Standardization = Literal[
    "none", "lower", "strip_punctuation", "lower_and_strip_punctuation", "pytorch-tutorial"
]

_SPACE = "▁"
_WORD_PREFIX = "  \0"
"""What no token begins with."""
_PUNCTUATION = "".join(f"\\x{{{ord(sign):x}}}" for sign in "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")
"""What TextVectorization takes out of text."""


def spelling_of(tokens: Sequence[str], special: Sequence[str]) -> Spelling:
    """How a list spells its tokens."""
    ordinary = [token for token in tokens if token not in special]
    if any(token.startswith(_SPACE) for token in ordinary):
        return "marked words"
    if all(len(token) == 1 for token in ordinary):
        return "characters"
    return "words"


def tokenizer_of(
    tokens: Sequence[str],
    special: Sequence[str],
    unknown: str | None,
    spelling: Spelling,
    standardization: Standardization,
) -> Tokenizer:
    """A tokenizer without a template.

    special: tokens that text never matches, and that translations do not show. unknown: the one of
    them that stands for all other text; if None, that is left out.
    """
    names = [NEVER_IN_TEXT + token if token in special else token for token in tokens]
    ids = {name: number for number, name in enumerate(names)}
    if unknown is None:
        ids[LEFT_OUT] = len(tokens)
    unknown_name = LEFT_OUT if unknown is None else NEVER_IN_TEXT + unknown
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=unknown_name))
    tokenizer.normalizer = normalizers.Sequence(
        [*_STANDARDIZATIONS[standardization], *_SPACES[spelling]]
    )
    tokenizer.pre_tokenizer = _SPLITS[spelling]()
    tokenizer.decoder = _decoder(special, spelling)
    return tokenizer


_STANDARDIZATIONS: Mapping[Standardization, Sequence[normalizers.Normalizer]] = {
    "none": [],
    "lower": [normalizers.Lowercase()],
    "strip_punctuation": [normalizers.Replace(Regex(f"[{_PUNCTUATION}]"), "")],
    "lower_and_strip_punctuation": [
        normalizers.Lowercase(),
        normalizers.Replace(Regex(f"[{_PUNCTUATION}]"), ""),
    ],
    # normalizeString: unicodeToAscii takes accents off before, and what it leaves is lower case.
    "pytorch-tutorial": [
        normalizers.Lowercase(),
        normalizers.NFD(),
        normalizers.Replace(Regex(r"\p{Mn}"), ""),
        *(normalizers.Replace(sign, f" {sign}") for sign in ".!?"),
        normalizers.Replace(Regex("[^a-zA-Z!?]+"), " "),
    ],
}
_ONE_SPACE = [
    normalizers.Replace(Regex(r"\s+"), " "),
    normalizers.Replace(Regex(r"\A | \z"), ""),
]
_SPACES: Mapping[Spelling, Sequence[normalizers.Normalizer]] = {
    "words": _ONE_SPACE,
    "characters": [],
    "marked words": [
        *_ONE_SPACE,
        normalizers.Prepend(_SPACE),
        normalizers.Replace(" ", _SPACE),
    ],
}
_SPLITS: Mapping[Spelling, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "words": pre_tokenizers.WhitespaceSplit,
    "characters": lambda: pre_tokenizers.Split(Regex(r"(?m:.)"), "isolated"),
    # Python's \w: Oniguruma's holds accents that stand alone, and no ² or Ⅷ.
    "marked words": lambda: pre_tokenizers.Split(
        Regex(rf"{_SPACE}?(?:[\p{{L}}\p{{N}}_]+|[^\p{{L}}\p{{N}}_{_SPACE}])|{_SPACE}"), "isolated"
    ),
}


def _decoder(special: Sequence[str], spelling: Spelling) -> decoders.Decoder:
    names = "|".join(_literal(token) for token in special if token)
    # An empty token is its space alone.
    hidden = decoders.Replace(Regex(rf"\A {{1,2}}(?:{names})?\z"), "")
    if spelling == "characters":
        # A space is a character too.
        return decoders.Sequence(
            [decoders.Replace(Regex(rf"\A (?:{names})\z"), ""), decoders.Fuse()]
        )
    joined: list[decoders.Decoder] = (
        [decoders.WordPiece(prefix=_WORD_PREFIX, cleanup=False), hidden]
        if spelling == "words"
        else [hidden, decoders.Replace(_SPACE, " ")]
    )
    ends = decoders.Replace(Regex(r"\A +"), "")
    return decoders.Sequence([*joined, decoders.Fuse(), ends])


def _literal(token: str) -> str:
    """A pattern that matches token only, for Oniguruma."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in token)
