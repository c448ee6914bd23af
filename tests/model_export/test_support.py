"""The README's tables of the families, made from what is read and made of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from model_export import graph, pipeline, sources
from model_export.spec import SSRU, Checkpoint, RMSNorm, Transformer
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from tests import recurrent_models
from tests.conftest import DATA, TINY_MARIAN

README = Path(__file__).parents[2] / "README.md"
CHECKPOINTS = {
    "Marian": TINY_MARIAN,
    "M2M-100": DATA / "families" / "m2m100",
    "NLLB": DATA / "families" / "nllb",
    "mBART": DATA / "families" / "mbart",
    "mBART-50": DATA / "families" / "mbart50",
    "BART": DATA / "families" / "bart",
    "Pegasus": DATA / "families" / "pegasus",
    "T5": DATA / "families" / "t5",
    "FLAN-T5, T5 1.1": DATA / "families" / "flan-t5",
    "mT5": DATA / "families" / "mt5",
    "MADLAD-400": DATA / "families" / "madlad",
    "Marian's own, OPUS-MT": DATA / "families" / "marian-opus",
    "Marian's own, pre-norm": DATA / "families" / "marian-pre-norm",
    "Marian's own, small for browsers": DATA / "families" / "marian-student",
}
HEADER = (
    "| | norms | positions | feed-forward | own output matrix | the source is given | "
    "the translation begins with |\n|---|---|---|---|---|---|---|\n"
)


RECURRENT = {
    "Keras 3, with attention": "dot_attention",
    "Keras 3, without": "lstm",
    "Keras 3, text inside": "text_inside",
    "`train lstm`": "recipe",
    "PyTorch's tutorial": "pytorch_tutorial",
}


def row(name: str, checkpoint: Checkpoint) -> str:
    network, asked = checkpoint.network, checkpoint.conditioning
    assert isinstance(network, Transformer)
    first = network.encoder[0]
    kind = "RMS" if isinstance(first.attention_norm, RMSNorm) else "layer"
    norms = f"{kind}, {'before each part' if network.norm_first else 'behind each sum'}"
    if network.source_embedding.norm is not None:
        norms += ", behind the embeddings"
    positions = "a table" if network.encoder_positions is None else "distances, 512 tokens"
    if isinstance(network.decoder[0].self_attention, SSRU):
        positions += ", SSRUs in the decoder"
    gate = ", gated" if first.feed_forward.gate is not None else ""
    size = network.projection.bias.size
    own = not np.array_equal(network.projection.weight.T, network.target_embedding.table[:size])
    given = [f"`{asked.prompt}`"] if asked.prompt else []
    given += [f"token of the {place}" for place in asked.before if isinstance(place, str)]
    given += [f"token of the {place}, behind it" for place in asked.after]
    start = [
        f"token of the {place}" if isinstance(place, str) else "`forced_bos_token_id`"
        for place in asked.start
    ]
    columns = (
        name,
        norms,
        positions,
        first.feed_forward.activation + gate,
        "yes" if own else "",
        ", ".join(given),
        ", ".join(start),
    )
    return f"| {' | '.join(columns)} |\n"


def test_the_readme_says_what_the_families_have() -> None:
    table = HEADER
    for name, path in CHECKPOINTS.items():
        pairs = (LanguagePair(source="fr", target="en"),) if name in NEED_PAIRS else ()
        table += row(name, sources.load(path, pairs))
    assert table in README.read_text(encoding="utf-8"), table


NEED_PAIRS = (
    *("mBART", "BART", "Pegasus", "mT5"),
    *(name for name in CHECKPOINTS if name.startswith("Marian's own")),
)


def tokens(checkpoint: Checkpoint) -> str:
    """What kind of tokenizer the target has."""
    content = json.loads(checkpoint.target_tokenizer.to_str())
    kind: str = content["model"]["type"]
    if kind == "WordLevel":
        return "a list"
    byte_level = "ByteLevel" in json.dumps(content["pre_tokenizer"])
    return f"{'byte-level' if byte_level else 'SentencePiece'} {kind}"


def abilities(name: str, checkpoint: Checkpoint, made: ModelDirectory) -> str:
    forced = [
        "of the language" if isinstance(place, str) else "of the model"
        for place in checkpoint.conditioning.start
    ]
    columns = [tokens(checkpoint), *(forced or [""]), "yes" if checkpoint.attention else "none"]
    columns += ["yes" if variant in made.manifest.parity else "no" for variant in graph.VARIANTS]
    return f"| {name} | {' | '.join(columns)} |\n"


def test_the_readme_says_what_is_made_of_each_family(tmp_path: Path) -> None:
    """Every variant of each is made, and compared with the reference."""
    columns = ("tokens", "forced token", "attention", *graph.VARIANTS)
    table = f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}\n"
    for name, path in CHECKPOINTS.items():
        pairs = (LanguagePair(source="fr", target="en"),) if name in NEED_PAIRS else ()
        options = pipeline.ExportOptions(
            name="x", pairs=pairs, variants=list(graph.VARIANTS), replace=True
        )
        pipeline.convert(path, tmp_path / "x", options, lambda stage: None)
        made = ModelDirectory.open(tmp_path / "x")
        table += abilities(name, sources.load(path, pairs), made)
    for name, model in RECURRENT.items():
        directory = recurrent_models.convert(model, tmp_path, variants=list(graph.VARIANTS))
        checkpoint = recurrent_models.read(model, tmp_path)
        table += abilities(name, checkpoint, ModelDirectory.open(directory))
    assert table in README.read_text(encoding="utf-8"), table


def test_the_readme_names_every_kind_with_its_command() -> None:
    text = README.read_text(encoding="utf-8")
    assert [source.KIND for source in sources.SOURCES if f"`{source.KIND}`" not in text] == []
