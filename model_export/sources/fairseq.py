"""Transformers of fairseq.

    checkpoint_best.pt  dict.fr.txt  dict.en.txt

What was trained is in args, an argparse.Namespace, or since version 0.10 in cfg. The dictionaries
are lists of subwords with their counts, behind fairseq's own four tokens; text is split by a
SentencePiece model that the command line names, or at spaces (see model_export.subwords). A source
ends with </s>, which is also what the decoder begins with.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from model_export import pickled
from model_export.errors import UnsupportedCheckpoint
from model_export.fairseq_layers import FairseqShape, FairseqWeights
from model_export.huggingface.config import Config
from model_export.huggingface.layers import BartLike
from model_export.spec import Activation, Checkpoint
from model_export.subwords import Special, SubwordText
from model_export.tensors import Stored, Tensors
from model_export.vocabulary_files import TEXT, TextOptions, Vocabulary
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits, Tokens

KIND = "fairseq"
PARTS = {"model", "optimizer_history"}
CLASSES: tuple[pickled.Allowed, ...] = (
    Namespace,
    *(
        (pickled.Inert, f"fairseq.meters.{name}")
        for name in ("AverageMeter", "StopwatchMeter", "TimeMeter")
    ),
)
"""What checkpoints hold besides weights and plain values; meters until version 0.9."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
END = "</s>"
ACTIVATIONS: Mapping[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "swish": "swish",
}
ARCHITECTURES = """
    transformer transformer_align transformer_base transformer_iwslt_de_en transformer_tiny
    transformer_vaswani_wmt_en_de_big transformer_vaswani_wmt_en_fr_big
    transformer_wmt_en_de transformer_wmt_en_de_big transformer_wmt_en_de_big_align
    transformer_wmt_en_de_big_t2t
"""
DEFAULT_LONGEST = 1024


def recognises(path: Path) -> bool:
    """Whether it is a file of torch.save with fairseq's parts in it."""
    return path.is_file() and path.suffix == ".pt" and pickled.texts(path) >= PARTS


def load(path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates, if these are not the languages it was trained on.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    content = pickled.parts(path, CLASSES)
    options = _options(path, content)
    config = Config(options, "args")
    languages = _languages(config)
    lists = [path.parent / f"dict.{language}.txt" for language in languages]
    text = _text(lists, told)
    shape = _shape(config, text)
    problems = config.problems + text.problems()
    pairs = pairs or _pairs(languages)
    if not pairs:
        problems.append("The languages are not codes such as fr; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    tensors = Tensors(_stored(path, content), described_by="args")
    network = FairseqWeights(shape, tensors).transformer()
    tensors.finish(shape.ignored)
    source, target = text.tokenizers()
    files = [path, *dict.fromkeys(lists), *text.files]
    return Checkpoint(
        kind=KIND,
        family="fairseq",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=Tokens(
            start=SPECIAL.index(END),
            end=SPECIAL.index(END),
            unknown=SPECIAL.index("<unk>"),
            padding=SPECIAL.index("<pad>"),
        ),
        limits=Limits(
            max_source_tokens=shape.longest[0],
            max_target_tokens=shape.longest[1],
            target_vocabulary=shape.vocabularies[1],
        ),
        files={one.name: sha256_of(one) for one in files},
        release=tensors.release,
    )


def _options(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the network and of the task, by the names that the command line has for them."""
    parts = {"arch": content.get("args")}
    if parts["arch"] is None:
        cfg = content.get("cfg")
        named = cfg if isinstance(cfg, dict) else {}
        parts = {"task": named.get("task"), "arch": named.get("model")}
    options: dict[str, Any] = {}
    for name, part in parts.items():
        fields = vars(part) if isinstance(part, Namespace) else part
        if isinstance(fields, dict):
            # Within cfg, each part says its own name.
            options |= {name: fields.get("_name")} | dict(_flat(fields))
    if "source_lang" not in options:
        raise UnsupportedCheckpoint(
            [f"{path.name} says no languages in args or cfg: it is no translation model."]
        )
    return options


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((f"{name}_{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _languages(config: Config) -> tuple[str, str]:
    source, target = (str(config.get(f"{side}_lang")) for side in ("source", "target"))
    if any(Path(one).name != one for one in (source, target)):
        raise UnsupportedCheckpoint(["args: source_lang and target_lang are no names."])
    return source, target


def _pairs(languages: tuple[str, str]) -> tuple[LanguagePair, ...]:
    try:
        return (LanguagePair(source=languages[0], target=languages[1]),)
    except ValidationError:
        return ()


def _text(lists: list[Path], told: TextOptions) -> SubwordText:
    missing = sorted({one.name for one in lists if not one.is_file()})
    if missing:
        raise UnsupportedCheckpoint(
            [f"{name} is missing; it must be beside the checkpoint." for name in missing]
        )
    source, target = (Vocabulary(one.name, (*SPECIAL, *_tokens(one))) for one in lists)
    special = Special(start=END, end=END, unknown="<unk>", padding="<pad>", others=("<s>",))
    return SubwordText(source, target, special, f"{TEXT} {END}", told, KIND)


def _tokens(path: Path) -> Iterator[str]:
    """As fairseq.data.Dictionary.add_from_file(): a token, a space and its count a line."""
    with path.open(encoding="utf-8") as file:
        try:
            for line in file:
                token, count = line.rstrip().rsplit(" ", 1)
                int(count)
                yield token
        except ValueError as error:
            problem = f"{path.name} is no dictionary of fairseq, with a token and its count a line."
            raise UnsupportedCheckpoint([problem]) from error


def _shape(config: Config, text: SubwordText) -> FairseqShape:
    """Faults are noted in the config."""
    config.require("task", "translation")
    config.require("arch", *ARCHITECTURES.split())
    width = config.size("encoder_embed_dim")
    for name in ("decoder_embed_dim", "decoder_input_dim", "decoder_output_dim"):
        config.require(name, width)
    for name in ("adaptive_softmax_cutoff", "xformers_att_config"):
        config.require(name, None)
    for name in ("encoder_layers_to_keep", "decoder_layers_to_keep"):
        config.require(name, None)
    for name in ("adaptive_input", "char_inputs", "no_cross_attention", "cross_self_attention"):
        config.require(name, False)
    for name in ("base_layers", "quant_noise_scalar"):
        config.require(name, 0)
    if width % 2:
        config.problems.append(f"args: encoder_embed_dim {width} is odd, which is not supported.")
    first = config.flag("encoder_normalize_before", False)
    if config.flag("decoder_normalize_before", False) != first:
        config.problems.append(
            "args: decoder_normalize_before and encoder_normalize_before differ, which is not "
            "supported."
        )
    for side in ("encoder", "decoder"):
        config.divides(f"{side}_embed_dim", f"{side}_attention_heads")
    return FairseqShape(
        bart_like=_bart_like(config, width),
        vocabularies=(len(text.source.tokens), len(text.target.tokens)),
        longest=(
            int(config.number("max_source_positions", DEFAULT_LONGEST)),
            int(config.number("max_target_positions", DEFAULT_LONGEST)),
        ),
        learned=(
            config.flag("encoder_learned_pos", False),
            config.flag("decoder_learned_pos", False),
        ),
        positions=not config.flag("no_token_positional_embeddings", False),
        norm_first=first,
        embedding_norm=config.flag("layernorm_embedding", False),
        final_norms=(first, first and not config.flag("no_decoder_final_norm", False)),
        shared=config.flag("share_all_embeddings", False),
    )


def _bart_like(config: Config, width: int) -> BartLike:
    layers, heads, inner = (
        (config.size(f"encoder_{name}"), config.size(f"decoder_{name}"))
        for name in ("layers", "attention_heads", "ffn_embed_dim")
    )
    tied = config.flag("share_decoder_input_output_embed", False)
    return BartLike(
        width=width,
        vocabulary=0,
        longest=0,
        layers=layers,
        heads=heads,
        inner=inner,
        activation=config.choice("activation_fn", ACTIVATIONS, "relu"),
        scale=1.0 if config.flag("no_scale_embedding", False) else float(np.sqrt(width)),
        tied=tied or config.flag("share_all_embeddings", False),
    )


def _stored(path: Path, content: Mapping[str, Any]) -> dict[str, Stored]:
    """The weights, by the names that fairseq has for them today."""
    found = pickled.named_tensors(content.get("model"))
    if found is None:
        raise UnsupportedCheckpoint([f"{path.name}: model holds no named tensors."])
    stored: dict[str, Stored] = {}
    for name, one in found.items():
        fused = re.fullmatch(r"(.*_attn)\.in_proj_(weight|bias)", name)
        if fused:
            thirds = zip("qkv", one.tensor.chunk(3), strict=True)
            stored |= {
                f"{fused[1]}.{letter}_proj.{fused[2]}": pickled.StoredByTorch(third)
                for letter, third in thirds
            }
        elif name == "decoder.embed_out":
            stored["decoder.output_projection.weight"] = one
        else:
            stored[name] = one
    return stored
