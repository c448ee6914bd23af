from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tokenizers import Tokenizer

from model_export import sources
from model_export.errors import UnsupportedCheckpoint
from model_export.vocabulary import marian_tokenizer
from model_export.word_lists import spelling_of, tokenizer_of
from service.text.tokenizer import Tokenizer as TextTokenizer
from tests.conftest import DATA

SENTENCES = ["le chat dort", "le chien mange le pain", "la maison est grande et le pain est bon"]
SPECIAL = ["</s>", "<unk>"]


def train(path: Path, **options: Any) -> Path:
    """A SentencePiece model of a few sentences."""
    model = io.BytesIO()
    defaults = {"vocab_size": 40, "hard_vocab_limit": False, "bos_id": -1, "eos_id": 0, "unk_id": 1}
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        minloglevel=2,
        **(defaults | options),
    )
    path.write_bytes(model.getvalue())
    return path


@pytest.fixture(scope="module")
def spm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("spm") / "source.spm")


def vocabulary_of(spm: Path, *others: str) -> dict[str, int]:
    """Every piece's place, then the others."""
    model = ModelProto()
    model.ParseFromString(spm.read_bytes())
    names = [*(piece.piece for piece in model.pieces), *others]
    return {name: number for number, name in enumerate(names)}


def problems(spm: Path, vocabulary: dict[str, int]) -> list[str]:
    """Why the conversion is refused."""
    with pytest.raises(UnsupportedCheckpoint) as error:
        marian_tokenizer(spm, vocabulary)
    return error.value.problems


def test_the_ids_are_the_model_s_in_any_order(spm: Path) -> None:
    names = list(vocabulary_of(spm, "<pad>"))[::-1]
    vocabulary = {name: number for number, name in enumerate(names)}

    tokenizer = marian_tokenizer(spm, vocabulary)

    ids = tokenizer.encode("le pain").ids
    assert tokenizer.decode(ids) == "le pain"
    assert ids[-1] == vocabulary["</s>"]
    assert "".join(names[number] for number in ids[:-1]) == "▁le▁pain"


def test_ids_without_a_piece_decode_to_nothing(spm: Path) -> None:
    vocabulary = vocabulary_of(spm) | {"<pad>": 50}

    tokenizer = marian_tokenizer(spm, vocabulary)

    assert tokenizer.get_vocab_size() == 51
    assert tokenizer.decode([50, 49, vocabulary["</s>"], vocabulary["<unk>"]]) == ""


def test_special_tokens_may_have_any_name(spm: Path) -> None:
    vocabulary = vocabulary_of(spm)
    vocabulary["*end* (.)"] = vocabulary.pop("</s>")
    vocabulary["[?]"] = vocabulary.pop("<unk>")
    vocabulary["P"] = 50

    tokenizer = marian_tokenizer(spm, vocabulary, end="*end* (.)", unknown="[?]", padding="P")

    ids = tokenizer.encode("le *end* (.) [?] P</s>").ids
    assert ids.count(0) == 1
    assert 50 not in ids
    assert tokenizer.decode([0, 1, 50]) == ""


def test_every_problem_is_listed(tmp_path: Path) -> None:
    words = train(tmp_path / "source.spm", model_type="char", remove_extra_whitespaces=False)

    assert problems(words, {"a": 0, "b": 0, "</s>": -1}) == [
        "source.spm is no unigram or BPE model, which is not supported",
        "source.spm keeps repeated spaces, which is not supported",
        "the vocabulary has no <unk>",
        "the vocabulary has no <pad>",
        "the vocabulary gives one id to several pieces",
        "the vocabulary's ids are negative or leave most numbers out",
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"treat_whitespace_as_suffix": True}, "writes spaces behind words"),
        ({"user_defined_symbols": ["<x>"]}, "has user-defined symbols"),
    ],
)
def test_other_kinds_are_refused(tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    spm = train(tmp_path / "source.spm", **options)

    found = problems(spm, vocabulary_of(spm, "<pad>"))

    assert f"source.spm {problem}, which is not supported" in found


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def bytes_spm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spm") / "source.spm"
    options = {"byte_fallback": True, "vocab_size": 300, "model_type": request.param}
    return train(path, **options, normalization_rule_name="identity")


@pytest.mark.parametrize(
    "text",
    [
        "le chat 😀 dort",
        "我们 明天",
        "Le Pain\u0007\x7f",
        "É\u0301ﬁ",
        "le <0x41> pain",
        "<0x0A>",
        "<0xZZ> <0x4",
        "le <0x41><0x42>pain<",
    ],
)
def test_text_without_pieces_becomes_bytes(bytes_spm: Path, text: str) -> None:
    """Also text that spells a byte's name, which is no byte."""
    expected = SentencePieceProcessor(str(bytes_spm))
    tokenizer = marian_tokenizer(bytes_spm, vocabulary_of(bytes_spm, "<pad>"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids == expected.encode(text)
    assert tokenizer.decode(ids) == expected.decode(ids) == text


def test_bytes_that_are_no_text(bytes_spm: Path) -> None:
    vocabulary = vocabulary_of(bytes_spm, "<pad>")
    tokenizer = marian_tokenizer(bytes_spm, vocabulary)
    ids = [vocabulary[name] for name in ("l", "<0xFF>", "<0xC3>", "e")]
    assert tokenizer.decode(ids) == "l\ufffd\ufffde"


def test_a_vocabulary_without_its_bytes(bytes_spm: Path) -> None:
    vocabulary = vocabulary_of(bytes_spm, "<pad>")
    del vocabulary["<0x41>"]
    assert problems(bytes_spm, vocabulary) == ["the vocabulary has no <0x41>"]


def test_a_model_without_a_character_map(tmp_path: Path) -> None:
    spm = train(tmp_path / "source.spm", normalization_rule_name="identity")

    tokenizer = marian_tokenizer(spm, vocabulary_of(spm, "<pad>"))

    assert tokenizer.decode(tokenizer.encode("  le   pain ").ids) == "le pain"


def test_another_file_is_refused(tmp_path: Path) -> None:
    spm = tmp_path / "source.spm"
    spm.write_bytes(b"no such model")

    assert problems(spm, {}) == ["source.spm is not a SentencePiece model"]


def copied(file: Tokenizer, path: Path, text: str) -> str:
    """What a text's own tokens are decoded to where each unknown one is copied."""
    file.save(str(path / "tokenizer.json"))
    tokenizer = TextTokenizer.load(path / "tokenizer.json", path / "tokenizer.json")
    tokens = [one for one in tokenizer.source_tokens(text) if not one.special]
    assert any(one.unknown for one in tokens)
    return tokenizer.decode_copying(tokenizer.encode_target(text), [one.text for one in tokens])


@pytest.mark.parametrize("text", ["le 中文 et Ж", "Ж et", "etЖet", "Ж Ж", "le 中Ж文."])
@pytest.mark.parametrize("family", ["m2m100", "nllb", "t5"])
def test_what_has_no_piece_is_spelt_as_in_the_text(tmp_path: Path, family: str, text: str) -> None:
    found = sources.load(DATA / "families" / family)
    assert copied(found.source_tokenizer, tmp_path, text) == text


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["the", "cat", "."], ["the Zürich cat", "Zürich the Ж"]),
        (["▁the", "▁cat", "."], ["the Zürich cat.", "Zürich the cat", "the cat Zürich7! the"]),
        (["a", "b", " "], ["ab éb", "é a"]),
        (["a", "b"], ["ab éb"]),
    ],
)
def test_words_that_a_list_lacks_are_spelt_as_in_the_text(
    tmp_path: Path, words: list[str], texts: list[str]
) -> None:
    spelling = spelling_of(words, [])
    file = tokenizer_of(["[UNK]", *words], ["[UNK]"], "[UNK]", spelling, "none")
    assert [copied(file, tmp_path, text) for text in texts] == texts


def test_a_copied_word_that_began_the_text_stays_a_word(tmp_path: Path) -> None:
    words = ["[UNK]", "▁the", "▁cat"]
    file = tokenizer_of(words, ["[UNK]"], "[UNK]", "marked words", "none")
    file.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TextTokenizer.load(tmp_path / "tokenizer.json", tmp_path / "tokenizer.json")
    word = tokenizer.source_tokens("Zürich the")[0].text
    assert tokenizer.decode_copying([1, 0], ["", word]) == "the Zürich"
