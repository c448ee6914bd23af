from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_export import __main__ as command
from model_export import graph, pipeline, sources
from model_export.errors import DestinationExists, UnsupportedCheckpoint, VerificationFailed
from model_export.evaluation import LoadedVariant
from model_export.graph.precision import Float32
from model_export.spec import Linear, Transformer
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.text.tokenizer import Tokenizer
from tests.conftest import DATA, TINY_MARIAN, golden, load

GOLDEN = golden("tiny")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, to be broken."""
    return Path(shutil.copytree(TINY_MARIAN, tmp_path / "checkpoint"))


def convert(source: Path, destination: Path, **options: Any) -> None:
    pipeline.convert(
        source, destination, pipeline.ExportOptions(name="x", **options), lambda stage: None
    )


def change_json(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | changes), encoding="utf-8")


def change_tensors(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def problems(source: Path) -> list[str]:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        sources.load(source)
    return caught.value.problems


def test_the_manifest_tells_where_everything_came_from(tiny_directory: Path) -> None:
    manifest = ModelDirectory.open(tiny_directory).manifest
    assert (manifest.name, manifest.family) == ("tiny", "marian")
    assert [(pair.source, pair.target) for pair in manifest.pairs] == [("fr", "en")]
    assert (manifest.tokens.start, manifest.tokens.end) == (168, 0)
    assert manifest.limits.max_source_tokens == 64
    assert set(manifest.variants) == {"fp32", "int8"}
    assert manifest.parity["fp32"].max_log_prob_difference < 1e-4
    assert manifest.parity["fp32"].same_tokens == 1
    assert "model.safetensors" in manifest.provenance.source_files
    names = {path.name for path in tiny_directory.iterdir()}
    assert names == {*manifest.files, "manifest.json"}


def test_source_ids_are_those_of_sentencepiece(tiny_directory: Path) -> None:
    tokenizer = Tokenizer.load(tiny_directory / "source.json", tiny_directory / "target.json")
    found = tokenizer.encode(GOLDEN["sentences"])
    assert [list(ids) for ids in found] == GOLDEN["source_ids"]


def test_a_destination_that_exists_is_left_alone(tmp_path: Path) -> None:
    destination = tmp_path / "model"
    destination.mkdir()
    (destination / "precious").touch()
    with pytest.raises(DestinationExists, match="--force"):
        convert(TINY_MARIAN, destination)
    assert [path.name for path in destination.iterdir()] == ["precious"]


def test_force_replaces_the_destination_as_a_whole(tmp_path: Path) -> None:
    destination = tmp_path / "model"
    destination.mkdir()
    (destination / "old").touch()
    (destination / "manifest.json").touch()
    convert(TINY_MARIAN, destination, replace=True, variants=["int8"])
    ModelDirectory.open(destination).check()
    assert not (destination / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_force_replaces_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    convert(TINY_MARIAN, tmp_path / "model", replace=True, variants=["int8"])
    ModelDirectory.open(tmp_path / "model").check()


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("checkpoint", "holds the checkpoint"),
        (".", "holds the checkpoint"),
        ("checkpoint/../models/../checkpoint", "holds the checkpoint"),
        ("models", "is no model directory"),
        ("models/notes", "is no model directory"),
        ("link", "is no model directory"),
    ],
)
def test_force_replaces_nothing_else(
    checkpoint: Path, tmp_path: Path, destination: str, problem: str
) -> None:
    model = tmp_path / "models" / "fr-en"
    model.mkdir(parents=True)
    (model / "manifest.json").touch()
    (tmp_path / "models" / "notes").touch()
    (tmp_path / "link").symlink_to(model)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DestinationExists, match=problem):
        convert(checkpoint, tmp_path / destination, replace=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_conversion_that_fails_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Float32):
        """Forgets the biases."""

        def product(self, graph: Any, x: str, linear: Linear) -> str:
            return super().product(graph, x, Linear(linear.weight, np.zeros_like(linear.bias)))

    wrong = graph.VARIANTS["fp32"]._replace(make=Wrong)
    monkeypatch.setattr(graph, "VARIANTS", {"fp32": wrong})
    destination = tmp_path / "out" / "model"
    with pytest.raises(VerificationFailed, match="Variant fp32: log-probabilities differ"):
        convert(checkpoint, destination, variants=["fp32"])
    assert list(destination.parent.iterdir()) == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the reference
def test_a_variant_that_overflows_is_noticed(checkpoint: Path, tmp_path: Path) -> None:
    """Beyond 65504 a number of 16 bits is infinite, and infinity minus itself is NaN."""

    def enlarge(tensors: dict[str, Any]) -> None:
        tensors["model.decoder.layers.1.fc1.weight"] *= 300
        tensors["model.decoder.layers.1.fc2.weight"] *= 600

    change_tensors(checkpoint / "model.safetensors", enlarge)
    convert(checkpoint, tmp_path / "fp32", variants=["fp32"])
    with pytest.raises(VerificationFailed, match="fp16 computes values that are not finite"):
        convert(checkpoint, tmp_path / "fp16", variants=["fp16"])
    assert not (tmp_path / "fp16").exists()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_checkpoint_that_overflows_is_noticed(checkpoint: Path, tmp_path: Path) -> None:
    def enlarge(tensors: dict[str, Any]) -> None:
        tensors["model.decoder.layers.1.fc1.weight"] *= np.float32(1e25)
        tensors["model.decoder.layers.1.fc2.weight"] *= np.float32(1e25)

    change_tensors(checkpoint / "model.safetensors", enlarge)
    with pytest.raises(VerificationFailed, match="The checkpoint itself computes values"):
        convert(checkpoint, tmp_path / "model", variants=["fp32"])


def test_a_directory_that_is_no_checkpoint(tmp_path: Path) -> None:
    assert "none of the supported kinds: huggingface-marian" in problems(tmp_path)[0]
    assert "is not a directory" in problems(tmp_path / "nowhere")[0]


def test_missing_files_are_listed(checkpoint: Path) -> None:
    (checkpoint / "source.spm").unlink()
    (checkpoint / "vocab.json").unlink()
    assert problems(checkpoint) == ["source.spm is missing.", "vocab.json is missing."]


def test_everything_unsupported_in_the_configuration_is_listed_at_once(checkpoint: Path) -> None:
    change_json(
        checkpoint / "config.json",
        activation_function="mish",
        normalize_before=True,
        share_encoder_decoder_embeddings=False,
        encoder_attention_heads=5,
        decoder_layers=0,
        eos_token_id=9999,
        vocab_size=170,
    )
    found = problems(checkpoint)
    assert len(found) == 7
    for word in (
        "activation_function is 'mish'; supported: 'swish', 'silu', 'relu', 'gelu'",
        "normalize_before is True",
        "share_encoder_decoder_embeddings",
        "d_model 24 is not a multiple of encoder_attention_heads 5",
        "decoder_layers must be a positive whole number",
        "eos_token_id 9999 is not in vocab.json",
        "vocab.json has 169 tokens; config.json says vocab_size 170",
    ):
        assert any(word in problem for problem in found), word


def test_everything_wrong_with_the_weights_is_listed_at_once(checkpoint: Path) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        del tensors["model.encoder.layers.0.fc1.weight"]
        tensors["model.decoder.layers.1.fc2.bias"] = np.zeros(7, np.float32)
        tensors["model.shared.weight"] = tensors["model.shared.weight"].astype(np.int32)
        tensors["final_logits_bias"][0, 3] = np.nan
        tensors["model.encoder.extra"] = np.zeros(1, np.float32)

    change_tensors(checkpoint / "model.safetensors", spoil)
    assert sorted(problems(checkpoint)) == [
        "final_logits_bias holds values that are not finite.",
        "model.decoder.layers.1.fc2.bias has shape [7]; config.json says [24].",
        "model.encoder.extra is not part of the architecture.",
        "model.encoder.layers.0.fc1.weight is missing.",
        "model.shared.weight has type I32; supported: F32, F16, BF16, F64.",
    ]


def test_a_truncated_weight_file_is_refused(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors cannot be read" in problems(checkpoint)[0]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("config.json", "none of the supported kinds"), ("vocab.json", "vocab.json is not JSON")],
)
def test_broken_json_is_refused(checkpoint: Path, name: str, problem: str) -> None:
    (checkpoint / name).write_text("{")
    assert problem in problems(checkpoint)[0]


def test_languages_that_nobody_names_are_asked_for(checkpoint: Path) -> None:
    (checkpoint / "tokenizer_config.json").unlink()
    assert problems(checkpoint) == [
        "The languages are not in tokenizer_config.json; give --pair fr-en."
    ]


@pytest.fixture
def many_languages(checkpoint: Path) -> Path:
    """A checkpoint whose source begins with a token of the target language, as OPUS-MT's for
    several languages, whose tokenizer_config.json names them together."""
    file = checkpoint / "vocab.json"
    vocabulary: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    marks = dict(zip((162, 163, 164), (">>fr_BE<<", ">>fr<<", ">>cmn_Hans<<"), strict=True))
    named = {marks.get(number, piece): number for piece, number in vocabulary.items()}
    file.write_text(json.dumps(named), encoding="utf-8")
    change_json(checkpoint / "tokenizer_config.json", source_lang="en", target_lang="mul")
    return checkpoint


def test_the_source_is_given_the_target_language(many_languages: Path, tmp_path: Path) -> None:
    pairs = tuple(LanguagePair(source="en", target=target) for target in ("fr", "zh"))
    convert(many_languages, tmp_path / "model", pairs=pairs, variants=["fp32"])
    directory = ModelDirectory.open(tmp_path / "model")
    text = LoadedVariant.load(directory, "fp32").text
    found = [text.encode_whole(GOLDEN["sentences"][0], pair) for pair in pairs]
    assert [list(ids or ()) for ids in found] == [
        [token, *GOLDEN["source_ids"][0]] for token in (163, 164)
    ]


def test_a_target_language_that_the_model_lacks(many_languages: Path) -> None:
    assert problems(many_languages) == ["vocab.json has no token for mul; it has: fr, zh."]


def test_half_precision_weights_are_taken(checkpoint: Path) -> None:
    def halve(tensors: dict[str, Any]) -> None:
        tensors.update({name: tensor.astype(np.float16) for name, tensor in tensors.items()})

    change_tensors(checkpoint / "model.safetensors", halve)
    halved, whole = (sources.load(path).network for path in (checkpoint, TINY_MARIAN))
    assert isinstance(halved, Transformer)
    assert isinstance(whole, Transformer)
    table, expected = halved.source_embedding.table, whole.source_embedding.table
    np.testing.assert_allclose(table, expected, rtol=1e-3, atol=1e-4)


def test_a_padding_token_that_is_not_the_last_one_is_never_generated_either(
    checkpoint: Path, tmp_path: Path
) -> None:
    first, last = 5, 168  # the padding token changes places with another one

    def swap_rows(tensors: dict[str, Any]) -> None:
        table, bias = tensors["model.shared.weight"], tensors["final_logits_bias"]
        table[[first, last]] = table[[last, first]]
        bias[:, [first, last]] = bias[:, [last, first]]

    change_tensors(checkpoint / "model.safetensors", swap_rows)
    vocabulary = json.loads((checkpoint / "vocab.json").read_text(encoding="utf-8"))
    swap = {first: last, last: first}
    vocabulary = {piece: swap.get(number, number) for piece, number in vocabulary.items()}
    (checkpoint / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    change_json(checkpoint / "config.json", pad_token_id=first, decoder_start_token_id=first)
    convert(checkpoint, tmp_path / "model", variants=["fp32"])
    model = load(tmp_path / "model", "fp32")
    sources = [tuple(swap.get(number, number) for number in ids) for ids in GOLDEN["source_ids"]]
    options = DecodingOptions(beam_size=1, max_decoding_length=40)
    found = decode(model, sources, [options] * len(sources), model.target)
    for (best,), expected in zip(found, GOLDEN["transformers"], strict=True):
        tokens = [swap.get(number, number) for number in expected["tokens"] if number != 0]
        assert list(best.target_ids) == tokens


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_other_activations_are_verified_too(
    checkpoint: Path, tmp_path: Path, activation: str
) -> None:
    change_json(checkpoint / "config.json", activation_function=activation)
    convert(checkpoint, tmp_path / "model")


def test_source_and_target_share_one_file_when_they_are_the_same(
    checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copyfile(checkpoint / "source.spm", checkpoint / "target.spm")
    convert(checkpoint, tmp_path / "model", variants=["int8"])
    tokenizers = ModelDirectory.open(tmp_path / "model").manifest.tokenizers
    assert tokenizers.source == tokenizers.target == "source.json"


@pytest.mark.parametrize(("wanted", "expected"), [(20, 20), (1000, 64), (None, 64)])
def test_sentences_can_be_kept_shorter_than_the_model_allows(
    tmp_path: Path, wanted: int | None, expected: int
) -> None:
    convert(TINY_MARIAN, tmp_path / "model", variants=["int8"], max_source_tokens=wanted)
    limits = ModelDirectory.open(tmp_path / "model").manifest.limits
    assert (limits.max_source_tokens, limits.max_target_tokens) == (expected, 64)


def test_the_commands_report_what_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    destination = str(tmp_path / "tiny")
    card = tmp_path / "card.md"
    card.write_text("# Tiny")
    convert_arguments = ["convert", str(TINY_MARIAN), destination, "--card", str(card)]
    assert command.main([*convert_arguments, "--licence", "CC0-1.0", "--pair", "fr-de"]) == 0
    assert "Verifying int8" in capsys.readouterr().out
    assert (tmp_path / "tiny" / "README.md").read_text() == "# Tiny"
    assert command.main(["inspect", destination]) == 0
    assert "fr → de" in (shown := capsys.readouterr().out)
    assert "CC0-1.0" in shown
    assert command.main(["verify", destination, str(TINY_MARIAN)]) == 0
    assert "8 probes" in capsys.readouterr().out


def test_a_missing_card_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card.md"
    told = ["convert", str(TINY_MARIAN), str(tmp_path / "tiny"), "--card", str(card)]
    assert command.main(told) == 1
    shown = capsys.readouterr()
    assert str(card) in shown.err
    assert "Verifying" not in shown.out
    assert not (tmp_path / "tiny").exists()


def test_the_commands_fail_with_every_reason_and_no_traceback(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_json(checkpoint / "config.json", activation_function="mish", normalize_before=True)
    assert command.main(["convert", str(checkpoint), str(tmp_path / "model")]) == 1
    shown = capsys.readouterr().err
    assert "2 reason(s)" in shown
    assert "mish" in shown
    assert "Traceback" not in shown
    assert command.main(["inspect", str(tmp_path / "nowhere")]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my model", ".hidden", "-x"])
def test_a_name_that_no_model_can_have_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert command.main(["convert", str(TINY_MARIAN), str(tmp_path / name)]) == 1
    shown = capsys.readouterr()
    assert f"'{name}' can't be a model's name" in shown.err
    assert "Reading" not in shown.out
    assert list(tmp_path.iterdir()) == []


def test_verify_notices_another_checkpoint(
    tiny_directory: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def disturb(tensors: dict[str, Any]) -> None:
        tensors["model.decoder.layers.0.fc1.weight"] *= 1.1

    change_tensors(checkpoint / "model.safetensors", disturb)
    assert command.main(["verify", str(tiny_directory), str(checkpoint)]) == 1
    assert "log-probabilities differ" in capsys.readouterr().err


def test_verify_notices_a_checkpoint_with_another_vocabulary(
    tiny_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = DATA / "families" / "bart"
    assert command.main(["verify", str(tiny_directory), str(other)]) == 1
    assert "was made from another checkpoint" in capsys.readouterr().err
