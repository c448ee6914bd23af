"""What of a Keras file is refused, and what has to be said of its text."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from model_export import __main__ as command
from model_export import sources
from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Checkpoint
from model_export.vocabulary_files import TextOptions, Vocabulary
from service.text.tokenizer import TokenizerFile
from tests.recurrent_models import (
    CHARACTERS,
    PAIR,
    SOURCE_WORDS,
    TARGET_WORDS,
    path_of,
    read,
    told,
    write_list,
)

Change = Callable[[dict[str, Any]], object]


def changed(
    name: str,
    folder: Path,
    config: Change | None = None,
    weights: Callable[[h5py.File], object] = id,
) -> Path:
    """A copy of a model with another configuration or other weights."""
    path = folder / f"changed-{name}.keras"
    with zipfile.ZipFile(path_of(name)) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry == "config.json" and config is not None:
                content = json.loads(data)
                config(content)
                data = json.dumps(content).encode()
            if entry == "model.weights.h5":
                file = io.BytesIO(data)
                with h5py.File(file, "r+") as opened:
                    weights(opened)
                data = file.getvalue()
            new.writestr(entry, data)
    return path


def layer(content: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first layer of a class."""
    found: dict[str, Any] = next(
        one for one in content["config"]["layers"] if one["class_name"] == kind
    )
    return found


def problems(path: Path, name: str, folder: Path, text: TextOptions | None = None) -> list[str]:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        sources.load(path, PAIR, text or told(name, folder))
    return caught.value.problems


def test_a_truncated_file_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.keras"
    path.write_bytes(path_of("lstm").read_bytes()[:20_000])
    assert "cut.keras can't be read: File is not a zip file" in problems(path, "lstm", tmp_path)[0]
    destination = tmp_path / "out" / "model"
    assert command.main(["convert", str(path), str(destination), "--pair", "fr-en"]) == 1
    assert "can't be read" in capsys.readouterr().err
    assert not list(destination.parent.iterdir())


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(path_of("lstm").read_bytes())
    data[9_000] ^= 255
    path = tmp_path / "damaged.keras"
    path.write_bytes(data)
    assert "damaged.keras can't be read: Bad CRC" in problems(path, "lstm", tmp_path)[0]


def with_member(folder: Path, name: str, data: bytes) -> Path:
    """A copy of a model that has its text inside, with one more file in its archive."""
    path = Path(shutil.copyfile(path_of("text_inside"), folder / "more.keras"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def test_only_what_is_needed_is_unpacked(tmp_path: Path) -> None:
    """What else there is may even be damaged."""
    path = with_member(tmp_path, "assets/notes.bin", bytes(1000))
    damage(path, "assets/notes.bin")
    sources.load(path, PAIR, TextOptions())


def damage(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo(name).header_offset
    data = bytearray(path.read_bytes())
    data[place + 30 + len(name)] ^= 255  # behind the header and the name
    path.write_bytes(data)


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    name = "assets/layers/x/vocabulary.txt"
    path = with_member(tmp_path, name, b"a\n" * 500)
    damage(path, name)
    assert "more.keras can't be read: " in problems(path, "text_inside", tmp_path)[0]


def test_text_that_unpacks_to_more_than_a_model_has(tmp_path: Path) -> None:
    path = with_member(tmp_path, "assets/layers/x/vocabulary.txt", bytes(65 << 20))
    assert path.stat().st_size < 1 << 20
    (found,) = problems(path, "text_inside", tmp_path)
    assert found.startswith("more.keras unpacks to 65 MiB of assets/layers/")
    assert found.endswith("at most 64 are read.")


def test_weights_that_unpack_to_more_than_a_model_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_export.sources.keras.archive.MOST_WEIGHTS", 10_000)
    (found,) = problems(path_of("lstm"), "lstm", tmp_path)
    assert "of model.weights.h5; at most" in found


def test_missing_parts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "part.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert problems(path, "lstm", tmp_path) == [
        "part.keras has no metadata.json.",
        "part.keras has no model.weights.h5.",
    ]


def test_everything_wrong_with_the_weights_is_listed_at_once(tmp_path: Path) -> None:
    def spoil(file: h5py.File) -> None:
        del file["layers/lstm/cell/vars/1"]
        del file["layers/embedding/vars/0"]
        file["layers/embedding/vars/0"] = np.zeros((17, 7), np.float32)
        file["layers/dense/vars/1"][3] = np.nan
        bias = file["layers/lstm_1/cell/vars/2"][()]
        del file["layers/lstm_1/cell/vars/2"]
        file["layers/lstm_1/cell/vars/2"] = bias.astype(np.int8)
        del file["layers/embedding_1/vars/0"]
        file["layers/embedding_1/vars/0"] = h5py.ExternalLink("/etc/hostname", "x")

    found = sorted(problems(changed("lstm", tmp_path, weights=spoil), "lstm", tmp_path))
    assert [problem.split(":", 1)[1].split("(")[0] for problem in found] == [
        " variable 1 holds values that are not finite.",
        " variable 0 has shape [17, 7]; config.json says [17, 6].",
        " variable 0 is missing in model.weights.h5 ",
        " variable cell/1 is missing in model.weights.h5 ",
        " variable cell/2 has type int8; supported: float16, float32, float64.",
    ]


def test_everything_that_is_not_supported_is_listed_at_once(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        layer(content, "LSTM")["config"] |= {"activation": "mish", "stateful": False}
        layer(content, "AdditiveAttention")["class_name"] = "MultiHeadAttention"
        layer(content, "Dense")["config"]["activation"] = "softplus"

    found = problems(changed("additive_attention", tmp_path, change), "lstm", tmp_path)
    assert len(found) == 3
    for problem, words in zip(
        sorted(found),
        (
            "(MultiHeadAttention) is not supported; supported: Activation, ",
            "(Dense) has the activation 'softplus'; supported: elu, exponential,",
            "(LSTM) has the activation 'mish', which is not supported.",
        ),
        strict=True,
    ):
        assert words in problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"class_name": "Lambda"}, "(Lambda) holds code, which is never run."),
        ({"module": "my.layers"}, "is a layer of your own, whose code is not in the file."),
        ({"class_name": "Conv1D"}, "(Conv1D) is not supported"),
    ],
)
def test_code_and_other_layers_are_refused(
    tmp_path: Path, change: dict[str, str], problem: str
) -> None:
    path = changed("stacked", tmp_path, lambda content: layer(content, "Dense").update(change))
    (found,) = problems(path, "stacked", tmp_path)
    assert problem in found


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        ("LSTM", {"stateful": True}, "(LSTM) is stateful."),
        ("Bidirectional", {"merge_mode": None}, "must be of LSTM or GRU and merge its directions"),
        ("Embedding", {"input_dim": 16}, "has shape [17, 6]; config.json says [16, 6]"),
        ("LSTM", {"units": 7}, "config.json says [6, 28]"),
    ],
)
def test_settings_that_are_not_supported_are_named(
    tmp_path: Path, kind: str, config: dict[str, Any], problem: str
) -> None:
    def change(content: dict[str, Any]) -> None:
        layer(content, kind)["config"] |= config

    found = problems(changed("stacked", tmp_path, change), "stacked", tmp_path)
    assert any(problem in one for one in found), found


def test_a_decoder_that_gives_its_last_output_only_is_refused(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for one in content["config"]["layers"]:
            one["config"]["return_sequences"] = False

    (found,) = problems(changed("gru", tmp_path, change), "gru", tmp_path)
    assert "gru_1 (GRU) must read the target forwards and give all its outputs." in found


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"class_name": "Sequential", "config": {"layers": []}}, "is a Sequential, no functional"),
        ({"class_name": "Mine", "config": {}}, "its wiring is code, which is not in the file"),
        (
            {"class_name": "Functional", "config": {"layers": []}},
            "config.json is not as Keras 3 writes it",
        ),
    ],
)
def test_models_that_are_not_functional_are_refused(
    tmp_path: Path, content: dict[str, Any], problem: str
) -> None:
    def change(old: dict[str, Any]) -> None:
        old.clear()
        old.update(content)

    (found,) = problems(changed("gru", tmp_path, change), "gru", tmp_path)
    assert problem in found


def test_a_model_of_one_step_is_refused(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["config"]["input_layers"].append(["source", 0, 0])

    (found,) = problems(changed("lstm", tmp_path, change), "lstm", tmp_path)
    assert "3 input(s) and 1 output(s)" in found
    assert "the model as it is trained" in found


def test_inputs_in_the_other_order_are_told_apart(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["config"]["input_layers"].reverse()

    checkpoint = sources.load(changed("lstm", tmp_path, change), PAIR, told("lstm", tmp_path))
    assert checkpoint.network.source_vocabulary == len(SOURCE_WORDS)


def test_vocabularies_of_another_size_are_refused(tmp_path: Path) -> None:
    files = [write_list(tmp_path / f"{n}.txt", TARGET_WORDS[:n]) for n in (12, 18)]
    text = TextOptions(files[0], files[1], source_template="$A")
    assert problems(path_of("lstm"), "lstm", tmp_path, text) == [
        "12.txt has 12 tokens; the model has 17.",
        "18.txt has 18 tokens; the model has 19.",
    ]


def test_what_nobody_said_of_the_text_is_asked_for_at_once(tmp_path: Path) -> None:
    plain = [f"word{number}" for number in range(19)]
    source = write_list(tmp_path / "s.txt", plain[:17])
    target = write_list(tmp_path / "t.txt", plain)
    found = problems(path_of("lstm"), "lstm", tmp_path, TextOptions(source, target))
    assert found == [
        "t.txt does not show the start token; give --start-token TOKEN.",
        "t.txt does not show the end token; give --end-token TOKEN.",
        "s.txt has no token for unknown text: name it with --unknown-token, or let "
        "--drop-unknown leave such text out.",
    ]
    with pytest.raises(UnsupportedCheckpoint) as caught:
        sources.load(path_of("lstm"))
    assert caught.value.problems == [
        "The source vocabulary is not in the file; give --source-vocabulary FILE.",
        "The target vocabulary is not in the file; give --target-vocabulary FILE.",
    ]


def test_whether_the_source_has_start_and_end_is_never_guessed(tmp_path: Path) -> None:
    text = replace(told("lstm", tmp_path), source_template=None)
    (found,) = problems(path_of("lstm"), "lstm", tmp_path, text)
    assert "say what the encoder is given with --source-template" in found
    text = replace(text, source_template="[start] $A [fin]")
    (found,) = problems(path_of("lstm"), "lstm", tmp_path, text)
    assert "which has no '[fin]'" in found


def test_a_start_token_that_the_decoder_masks_is_refused(tmp_path: Path) -> None:
    words = ["[start]", "[UNK]", "", "[end]", *TARGET_WORDS[4:]]
    text = replace(
        told("lstm", tmp_path), target_vocabulary=write_list(tmp_path / "odd.txt", words)
    )
    (found,) = problems(path_of("lstm"), "lstm", tmp_path, text)
    assert found == "The start token '[start]' is token 0, which the decoder masks."


def saved(checkpoint: Checkpoint, folder: Path) -> tuple[TokenizerFile, TokenizerFile]:
    """The tokenizers as the service reads them."""
    for name, one in zip(
        ("a.json", "b.json"),
        (checkpoint.source_tokenizer, checkpoint.target_tokenizer),
        strict=True,
    ):
        one.save(str(folder / name))
    return TokenizerFile(folder / "a.json"), TokenizerFile(folder / "b.json")


def test_a_text_vectorization_layer_brings_its_vocabulary(tmp_path: Path) -> None:
    checkpoint = read("text_inside", tmp_path)
    source, target = saved(checkpoint, tmp_path)
    words = [source.token_of(number) for number in range(17)]
    assert words[:2] == ["", "[UNK]"]
    assert list(source.encode("W3 and  w0")) == [words.index("w3"), 1, words.index("w0")]
    assert target.decode([4, 1, 5]) == "w0 w1"
    assert (checkpoint.tokens.start, checkpoint.tokens.end, checkpoint.tokens.unknown) == (2, 3, 1)


def test_characters_without_a_token_are_left_out(tmp_path: Path) -> None:
    source, target = saved(read("characters", tmp_path), tmp_path)
    assert [CHARACTERS[number] for number in source.encode("a b\tc\néd")] == list("a bcd")
    assert source.encode("é") == ()
    assert target.decode([3, 2, 2, 4]) == "a  b"


def test_fixed_unmasked_sources_are_padded_as_in_training(tmp_path: Path) -> None:
    checkpoint = read("fixed_lengths", tmp_path)
    source, _ = saved(checkpoint, tmp_path)
    assert source.encode("w1 w2") == (5, 6, *[0] * 8)
    assert checkpoint.limits.max_source_tokens == 10


def test_a_template_puts_tokens_around_a_sentence(tmp_path: Path) -> None:
    text = replace(told("lstm", tmp_path), source_template="[start] $A [end]", pad_source=6)
    source, _ = saved(sources.load(path_of("lstm"), PAIR, text), tmp_path)
    assert source.encode("w1 [end]") == (2, 5, 1, 3, 0, 0)


def test_vocabulary_files(tmp_path: Path) -> None:
    ids = tmp_path / "ids.json"
    ids.write_text('{"b": 1, "a": 0}')
    assert Vocabulary.read(ids).tokens == ("a", "b")
    ids.write_text('{"b": 7}')
    with pytest.raises(UnsupportedCheckpoint, match="an object of token → id 0, 1, 2"):
        Vocabulary.read(ids)
    with pytest.raises(UnsupportedCheckpoint, match="has the token 'x' more than once"):
        Vocabulary.read(write_list(tmp_path / "twice.txt", ["x", "y", "x"]))
    with pytest.raises(UnsupportedCheckpoint, match=r"nowhere.txt can't be read"):
        Vocabulary.read(tmp_path / "nowhere.txt")


def test_a_directory_with_one_model_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(path_of("text_inside").read_bytes())
    assert sources.load(tmp_path, PAIR).kind == "keras"
    (tmp_path / "b.keras").write_bytes(b"")
    with pytest.raises(UnsupportedCheckpoint, match=r"several models, a.keras, b.keras"):
        sources.load(tmp_path, PAIR)


def test_marian_takes_no_options_for_text(tmp_path: Path) -> None:
    from tests.conftest import TINY_MARIAN

    with pytest.raises(UnsupportedCheckpoint, match="says its vocabulary and tokens itself"):
        sources.load(TINY_MARIAN, PAIR, TextOptions(start="x"))


def test_the_commands_take_what_is_said_of_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = str(write_list(tmp_path / "characters.json", CHARACTERS))
    destination = str(tmp_path / "model")
    text = ["--source-vocabulary", both, "--target-vocabulary", both, "--drop-unknown"]
    text += ["--start-token", r"\t", "--end-token", r"\n", "--source-template", "$A"]
    path = str(path_of("characters"))
    assert command.main(["convert", path, destination, "--pair", "fr-en", *text]) == 0
    assert command.main(["verify", destination, path, *text]) == 0
    assert command.main(["inspect", destination]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "encoder: one-hot 13, LSTM 9; decoder: one-hot 13, LSTM 9, 13 tokens" in shown
    assert "none to show" in shown
