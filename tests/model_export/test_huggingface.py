"""What the files of Hugging Face's checkpoints say, as transformers understands it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_export import sources
from model_export.huggingface import tokenizers
from model_export.sources import huggingface_bart
from model_export.spec import Transformer
from service.package.manifest import Conditioning, LanguagePair
from service.text.tokenizer import Tokenizer
from tests.conftest import DATA, TINY_MARIAN

Copy = Callable[[str], Path]
ENGLISH = (LanguagePair(source="en", target="en"),)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copies a checkpoint, to be changed."""

    def copied(name: str) -> Path:
        path = TINY_MARIAN if name == "marian" else DATA / "families" / name
        return Path(shutil.copytree(path, tmp_path / "checkpoint"))

    return copied


def change(file: Path, **changes: Any) -> None:
    """Set fields of a JSON file, which need not be there; None takes one away."""
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    content = {name: one for name, one in (content | changes).items() if one is not None}
    file.write_text(json.dumps(content), encoding="utf-8")


def say_the_class(source: Path) -> None:
    change(source / "tokenizer_config.json", tokenizer_class="SMALL100Tokenizer")


def put_the_code_beside_it(source: Path) -> None:
    (source / "tokenization_small100.py").touch()


@pytest.mark.parametrize("tell", [say_the_class, put_the_code_beside_it])
def test_small_100_is_told_the_target_alone(copy: Copy, tell: Callable[[Path], None]) -> None:
    source = copy("m2m100")
    tell(source)
    found = sources.load(source)
    assert found.conditioning == Conditioning(before=["target"])
    assert (len(found.sources), len(found.targets)) == (100, 100)


def test_generation_config_counts(copy: Copy) -> None:
    source = copy("bart")
    change(
        source / "generation_config.json",
        forced_bos_token_id=7,
        decoder_start_token_id=0,
        eos_token_id=[2],
    )
    found = sources.load(source, ENGLISH)
    assert found.conditioning.start == [7]
    assert (found.tokens.start, found.tokens.end) == (0, 2)


def test_config_counts_where_the_other_file_says_nothing(copy: Copy) -> None:
    source = copy("bart")
    change(source / "generation_config.json", decoder_start_token_id=None, eos_token_id=None)
    tokens = sources.load(source, ENGLISH).tokens
    assert (tokens.start, tokens.end) == (2, 2)


def test_a_list_of_one_end_token(copy: Copy) -> None:
    source = copy("marian")
    change(source / "generation_config.json", eos_token_id=[0])
    assert sources.load(source).tokens.end == 0


@pytest.mark.parametrize(
    ("name", "activation", "scale"),
    [("m2m100", "relu", 4), ("nllb", "relu", 4), ("bart", "gelu", 1), ("mbart50", "gelu", 1)],
)
def test_what_config_leaves_out_is_the_family_s_default(
    copy: Copy, name: str, activation: str, scale: int
) -> None:
    source = copy(name)
    change(source / "config.json", activation_function=None, scale_embedding=None)
    network = sources.load(source, ENGLISH if name == "bart" else ()).network
    assert isinstance(network, Transformer)
    assert network.encoder[0].feed_forward.activation == activation
    assert network.source_embedding.scale == scale


def test_what_published_opus_mt_models_say_beside_the_network(copy: Copy) -> None:
    source = copy("marian")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    # As in opus-mt-en-vi: old versions of transformers wrote it for every model.
    change(source / "config.json", extra_pos_embeddings=config["pad_token_id"] + 1)
    assert sources.load(source).family == "marian"


@pytest.mark.parametrize("name", ["marian", "t5"])
def test_what_transformers_notes_of_its_own_in_what_it_saves(copy: Copy, name: str) -> None:
    source = copy(name)
    change(source / "config.json", _attn_implementation_autoset=True)  # versions 4.46 to 4.51
    assert sources.load(source).pairs


@pytest.mark.parametrize(("said", "code"), [("fra", "fr"), ("fr", "fr"), ("pt-BR", "pt-BR")])
def test_the_languages_that_a_tokenizer_names(copy: Copy, said: str, code: str) -> None:
    source = copy("marian")
    change(source / "tokenizer_config.json", source_lang=said, target_lang="eng")
    assert sources.load(source).pairs == (LanguagePair(source=code, target="en"),)


def move_the_mask_behind_the_last_token(source: Path) -> None:
    file = source / "vocab.json"
    ids = json.loads(file.read_text(encoding="utf-8"))
    ids = {"unused" if name == "<mask>" else name: number for name, number in ids.items()}
    file.write_text(json.dumps(ids | {"<mask>": len(ids)}), encoding="utf-8")


def write_one_file(source: Path) -> None:
    template, special = huggingface_bart.TEMPLATE, huggingface_bart.SPECIAL
    tokenizers.byte_level_bpe(source, template, special).save(str(source / "tokenizer.json"))


@pytest.mark.parametrize("tell", [lambda source: None, write_one_file])
def test_a_mask_that_the_model_has_no_room_for(copy: Copy, tell: Callable[[Path], None]) -> None:
    source = copy("bart")  # as bart-large-cnn and all that was made from it
    move_the_mask_behind_the_last_token(source)
    tell(source)
    found = sources.load(source, ENGLISH)
    found.source_tokenizer.save(str(source / "source.json"))
    tokenizer = Tokenizer.load(source / "source.json", source / "source.json")
    assert tokenizer.target_id("<mask>") is None
    (ids,) = tokenizer.encode(["Hello <mask>!"])
    assert max(ids) < found.limits.target_vocabulary
    assert tokenizer.decode([ids]) == ["Hello <mask>!"]


@pytest.mark.parametrize("name", ["</s>", "<extra_id_3>"])
def test_text_that_spells_a_special_token_is_text(copy: Copy, name: str) -> None:
    source = copy(
        "flan-t5"
    )  # its tokenizer.json has a Unigram model, which finds every piece in text
    found = sources.load(source).source_tokenizer
    found.save(str(source / "source.json"))
    tokenizer = Tokenizer.load(source / "source.json", source / "source.json")
    number = tokenizer.target_id(name)
    assert number is not None
    (ids,) = tokenizer.encode([f"a {name} b{name}c"])
    assert number not in ids[:-1]
    assert ids[-1] == tokenizer.target_id("</s>")
    assert tokenizer.decode([(*ids[:-2], number, *ids[-2:])]) == tokenizer.decode([ids])
