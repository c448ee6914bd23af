from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_export import sources
from model_export.errors import UnsupportedCheckpoint
from model_export.recurrent_spec import Embed, RecurrentNetwork
from model_export.spec import Array, Checkpoint
from service.text.tokenizer import TokenizerFile
from tests.conftest import TINY_MARIAN
from tests.recurrent_models import PAIR, path_of, read, told

NAME = "pytorch_tutorial"
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="a pickle needs torch"
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy, to be broken."""
    return Path(shutil.copytree(path_of(NAME), tmp_path / "checkpoint"))


def change(file: Path, what: Callable[[dict[str, Any]], object]) -> None:
    tensors = load_file(file)
    what(tensors)
    save_file(tensors, file)


def problems(path: Path, folder: Path) -> list[str]:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        sources.load(path, PAIR, told(NAME, folder))
    return caught.value.problems


def test_one_file_holds_both_halves_too(checkpoint: Path, tmp_path: Path) -> None:
    both = {
        f"{half}.{name}": tensor
        for half in ("encoder", "decoder")
        for name, tensor in load_file(checkpoint / f"{half}.safetensors").items()
    }
    save_file(both, tmp_path / "model.safetensors")
    found = sources.load(tmp_path / "model.safetensors", PAIR, told(NAME, tmp_path))
    assert found.architecture == read(NAME, tmp_path).architecture


def test_its_words_are_normalised_as_in_the_tutorial(tmp_path: Path) -> None:
    found = read(NAME, tmp_path)
    found.source_tokenizer.save(str(tmp_path / "source.json"))
    source = TokenizerFile(tmp_path / "source.json")
    assert source.encode(" À  B. zzz c! ") == (2, 3, 4, 1)  # a b c EOS
    assert (found.tokens.start, found.tokens.end) == (0, 1)
    assert (found.limits.max_source_tokens, found.limits.max_target_tokens) == (10, 10)


def test_a_decoder_without_attention(checkpoint: Path, tmp_path: Path) -> None:
    """The tutorial's DecoderRNN, which puts relu on the embedding."""

    def without_attention(tensors: dict[str, Any]) -> None:
        for name in [name for name in tensors if name.startswith("attention.")]:
            del tensors[name]
        weight = tensors["gru.weight_ih_l0"]
        tensors["gru.weight_ih_l0"] = np.ascontiguousarray(weight[:, :8])

    change(checkpoint / "decoder.safetensors", without_attention)
    found = sources.load(checkpoint, PAIR, told(NAME, tmp_path))
    assert not found.attention
    assert found.architecture is not None
    assert found.architecture.endswith("decoder: embedding 19 × 8, GRU 8, 19 tokens")


def test_everything_wrong_is_listed_at_once(checkpoint: Path, tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        del tensors["out.bias"]
        tensors["attention.Wa.bias"] = np.zeros(3, np.float32)
        tensors["attention.Ua.bias"][0] = np.inf
        tensors["gru.weight_ih_l1"] = np.zeros(3, np.float32)

    change(checkpoint / "decoder.safetensors", spoil)
    assert sorted(problems(checkpoint, tmp_path)) == [
        "decoder.attention.Ua.bias holds values that are not finite.",
        "decoder.attention.Wa.bias has shape [3]; the rest of the model says [8].",
        "decoder.gru.weight_ih_l1 is not part of the architecture.",
        "decoder.out.bias is missing.",
    ]


@needs_torch
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_of_torch(checkpoint: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    import torch
    from safetensors.torch import save_file as save_tensors

    whole = read(NAME, tmp_path)
    for half in ("encoder", "decoder"):
        tensors = load_file(checkpoint / f"{half}.safetensors")
        (checkpoint / f"{half}.safetensors").unlink()
        rounded = {
            name: torch.tensor(one).to(getattr(torch, kind)) for name, one in tensors.items()
        }
        save = torch.save if suffix == "pt" else save_tensors
        save(rounded, checkpoint / f"{half}.{suffix}")
    found = sources.load(checkpoint, PAIR, told(NAME, tmp_path))
    for one, other in zip(weights_of(found), weights_of(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=2**-7, atol=1e-6)


def weights_of(checkpoint: Checkpoint) -> list[Array]:
    assert isinstance(checkpoint.network, RecurrentNetwork)
    embed = checkpoint.network.decoder[0].operation
    assert isinstance(embed, Embed)
    return [embed.table, checkpoint.network.projection.weight, checkpoint.network.projection.bias]


@needs_torch
@pytest.mark.parametrize("content", [b"", b"hello", b"version https://git-lfs.github.com/spec/v1"])
@pytest.mark.parametrize("name", ["encoder.pt", "model.pt"])
def test_a_file_that_is_not_torch_s(
    checkpoint: Path, tmp_path: Path, content: bytes, name: str
) -> None:
    (checkpoint / "encoder.safetensors").unlink()
    (checkpoint / name).write_bytes(content)
    path = checkpoint if name == "encoder.pt" else checkpoint / name
    (found,) = problems(path, tmp_path)
    assert found.startswith(f"{name} is no file of tensors alone, and is not read: ")
    assert len(found) > len(f"{name} is no file of tensors alone, and is not read: it")


def test_a_file_of_another_checkpoint(tmp_path: Path) -> None:
    (found,) = problems(TINY_MARIAN / "model.safetensors", tmp_path)
    assert found == (
        f"config.json lies beside model.safetensors: give the directory, {TINY_MARIAN}."
    )


def test_a_truncated_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    file = checkpoint / "encoder.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert "encoder.safetensors cannot be read" in problems(checkpoint, tmp_path)[0]


def test_two_files_of_a_half_are_one_too_many(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "encoder.pt").touch()
    assert "encoder.safetensors and encoder.pt" in problems(checkpoint, tmp_path)[0]
