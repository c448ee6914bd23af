"""A package → the directory that it could have been made of, to train on from.

Often the package is all that there is of a model. Its weights are those of the checkpoint, in int8
but for the rounding; its tokenizer file holds the pieces, their scores and the character map of the
SentencePiece model.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import MarianMTModel

from model_export.huggingface.layers import sinusoidal_positions
from model_export.spec import Array, LayerNorm, Linear
from model_export.training import graph_weights, network, output
from model_export.training.errors import TrainingError
from model_export.training.graph_weights import GraphWeights
from model_export.training.settings import Recipe
from model_export.training.vocabulary import Vocabulary
from model_export.vocabulary import ModelProto
from service.package.directory import ModelDirectory
from service.package.manifest import MANIFEST_NAME, Manifest

VARIANTS = ("fp32", "int8")
"""Precisions that can be read, the exact one first."""
SAME = 1e-2
"""How far a table may be from another one that it was the same as, of its length: rounding."""
ENCODER_PRODUCTS = ("self_attn.out_proj", "fc1", "fc2")
DECODER_PRODUCTS = (
    "self_attn.out_proj",
    "encoder_attn.q_proj",
    "encoder_attn.out_proj",
    "fc1",
    "fc2",
)
ENCODER_NORMS = ("self_attn_layer_norm", "final_layer_norm")
DECODER_NORMS = ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm")


def is_package(path: Path) -> bool:
    """Whether convert made this directory."""
    return (path / MANIFEST_NAME).is_file()


def unpack(package: Path, destination: Path) -> None:
    """Write what a package holds as a Hugging Face directory, as the recipe writes its models.

    Raises:
        TrainingError: it is not of the recipe's architecture, or has no variant that can be read.
        InvalidPackage: it is damaged.
    """
    directory = ModelDirectory.open(package)
    manifest = directory.manifest
    _require_marian(package, manifest)
    known = [one for one in manifest.variants.values() if one.precision in VARIANTS]
    if not known:
        raise TrainingError(f"{package} has no variant of {' or '.join(VARIANTS)}.")
    variant = min(known, key=lambda one: VARIANTS.index(one.precision))
    directory.check(directory.files_of(variant))
    encoder, decoder = (
        graph_weights.read(directory.file(name)) for name in (variant.encoder, variant.decoder)
    )
    _require_recipe(package, encoder, decoder)
    tokenizer = json.loads(directory.file(manifest.tokenizers.source).read_text("utf-8"))
    vocabulary = Vocabulary(_sentencepiece(package, tokenizer))
    model = _model(package, encoder, decoder, vocabulary)
    output.write(destination, model, vocabulary, manifest.first_pair, {"package": manifest.name})


def _require_marian(package: Path, manifest: Manifest) -> None:
    tokens, tokenizers = manifest.tokens, manifest.tokenizers
    last = manifest.limits.target_vocabulary
    fits = (
        manifest.family == "marian"
        and tokenizers.source == tokenizers.target
        and (tokens.end, tokens.unknown) == (0, 1)
        and (tokens.start, tokens.padding) == (last, last)
    )
    if not fits:
        raise TrainingError(f"{package} is no model with Marian's architecture and one vocabulary.")


def _require_recipe(package: Path, encoder: GraphWeights, decoder: GraphWeights) -> None:
    """What must be so, or other weights would be needed than those of the recipe."""
    layers = len(encoder.norms) // 2, len(decoder.norms) // 3
    fits = (
        (len(encoder.norms), len(decoder.norms)) == (2 * layers[0], 3 * layers[1])
        and (len(encoder.products), len(decoder.products)) == (4 * layers[0] + 1, 6 * layers[1] + 1)
        and encoder.activations + decoder.activations == ["swish"] * sum(layers)
        and {len(encoder.gathered), len(decoder.gathered)} <= {2, 3}
        and _is_positions(encoder.gathered[0])
        and _is_positions(decoder.gathered[0])
        and _is_tied(encoder, decoder)
        and _is_tied(decoder, decoder)
        and not decoder.products[-1].bias.any()
    )
    if not fits:
        raise TrainingError(
            f"{package} has not the architecture of this recipe: norms behind each part, swish, "
            "sinusoidal positions, one table for both languages and the output, and no output bias."
        )


def _is_positions(table: Array) -> bool:
    return np.allclose(table, sinusoidal_positions(*table.shape), atol=1e-6)


def _is_tied(graph: GraphWeights, decoder: GraphWeights) -> bool:
    """Whether the rows of a graph's table are the outputs of the decoder."""
    _, table, *scales = graph.gathered
    outputs = decoder.products[-1].weight.T
    rows = table.astype(np.float32) * (scales[0] if scales else 1) / math.sqrt(table.shape[1])
    if rows.shape != (len(outputs) + 1, outputs.shape[1]) or rows[-1].any():
        return False
    return bool(np.linalg.norm(rows[:-1] - outputs) < SAME * np.linalg.norm(outputs))


def _sentencepiece(package: Path, tokenizer: Any) -> bytes:
    """The SentencePiece model of a tokenizer file that model_export.vocabulary made."""
    if tokenizer["model"]["type"] != "Unigram":
        raise TrainingError(f"{package} has a vocabulary that is no unigram model.")
    pieces = tokenizer["model"]["vocab"][2:-1]  # without </s>, <unk> and <pad>
    # Names that begin with a space are never found in text: special tokens, and others' pieces.
    if any(piece.startswith(" ") for piece, _ in pieces):
        raise TrainingError(f"{package} has pieces that its text never has.")
    model, kinds = ModelProto(), ModelProto.SentencePiece.Type
    for piece, kind in (("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)):
        model.pieces.add(piece=piece, score=0, type=kind)
    for piece, score in pieces:
        model.pieces.add(piece=piece, score=score, type=kinds.NORMAL)
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    model.normalizer_spec.name = "nmt_nfkc"
    for step in tokenizer["normalizer"]["normalizers"]:
        if step["type"] == "Precompiled":
            charsmap = base64.b64decode(step["precompiled_charsmap"])
            model.normalizer_spec.precompiled_charsmap = charsmap
    return bytes(model.SerializeToString())


def _model(
    package: Path, encoder: GraphWeights, decoder: GraphWeights, vocabulary: Vocabulary
) -> MarianMTModel:
    inner = encoder.products[2].weight
    recipe = Recipe(
        d_model=inner.shape[0],
        encoder_layers=len(encoder.norms) // 2,
        decoder_layers=len(decoder.norms) // 3,
        heads=encoder.heads,
        feed_forward=inner.shape[1],
        vocabulary=len(vocabulary) - 1,
        max_positions=len(encoder.gathered[0]),
    )
    model = network.new_model(recipe, vocabulary)
    weights = dict(_weights(encoder, decoder))
    tied = ("model.encoder.embed_tokens", "model.decoder.embed_tokens", "lm_head")
    weights |= {f"{name}.weight": weights["model.shared.weight"] for name in tied}
    kept = {name: value for name, value in model.state_dict().items() if name not in weights}
    given = {name: torch.tensor(value) for name, value in weights.items()}
    model.load_state_dict({**kept, **given})
    return model


def _weights(encoder: GraphWeights, decoder: GraphWeights) -> Iterator[tuple[str, Array]]:
    """By the names that transformers gives them. Of the output's bias, the recipe has none."""
    yield from _layers("model.encoder", encoder, ENCODER_PRODUCTS, ENCODER_NORMS)
    yield from _layers("model.decoder", decoder, DECODER_PRODUCTS, DECODER_NORMS)
    *_, memory = encoder.products
    layers = [f"model.decoder.layers.{index}" for index in range(len(decoder.norms) // 3)]
    yield from _apart(memory, [f"{one}.encoder_attn.{kv}_proj" for one in layers for kv in "kv"])
    outputs = decoder.products[-1].weight.T
    yield "model.shared.weight", np.vstack([outputs, np.zeros_like(outputs[:1])])


def _layers(
    prefix: str, graph: GraphWeights, products: Sequence[str], norms: Sequence[str]
) -> Iterator[tuple[str, Array]]:
    found, found_norms = iter(graph.products), iter(graph.norms)
    for index in range(len(graph.norms) // len(norms)):
        layer = f"{prefix}.layers.{index}"
        yield from _apart(next(found), [f"{layer}.self_attn.{part}_proj" for part in "qkv"])
        for name in products:
            yield from _linear(f"{layer}.{name}", next(found))
        for name in norms:
            yield from _norm(f"{layer}.{name}", next(found_norms))


def _apart(wide: Linear, names: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Products that stand side by side in one."""
    weights, biases = (np.split(side, len(names), axis=-1) for side in (wide.weight, wide.bias))
    for name, weight, bias in zip(names, weights, biases, strict=True):
        yield from _linear(name, Linear(weight, bias))


def _linear(name: str, linear: Linear) -> Iterator[tuple[str, Array]]:
    yield f"{name}.weight", np.ascontiguousarray(linear.weight.T)
    yield f"{name}.bias", linear.bias


def _norm(name: str, norm: LayerNorm) -> Iterator[tuple[str, Array]]:
    yield f"{name}.weight", norm.scale
    yield f"{name}.bias", norm.bias
