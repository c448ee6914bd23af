"""Model directories to measure, made from the default model's checkpoint: with its own weights, or
with random ones of any size, which compute nothing of use but take as long."""

from __future__ import annotations

import dataclasses
import datetime
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks import ctranslate2_weights, random_transformer
from benchmarks.random_transformer import Size
from model_export import calibration, graph, package, sources
from model_export.spec import Checkpoint, Transformer
from model_export.vocabulary import marian_tokenizer
from service.decoding.search import Target
from service.package.manifest import FORMAT, Limits, Manifest, Provenance, Tokens

DEFAULT = "default"
OPUS_MT = "opus-mt"
MODELS = (DEFAULT, OPUS_MT)
SAMPLE = (
    "Où est la gare ?",
    "Je voudrais un café, s'il vous plaît.",
    "Le train de 18 h 42 pour Lyon partira avec dix minutes de retard.",
    "Elle n'a jamais oublié la maison au bord de la mer où elle passait ses vacances.",
    "Tom a dit à Marie qu'il viendrait demain.",
    "Combien coûte ce livre ?",
    "Le gouvernement a annoncé mardi de nouvelles mesures contre le réchauffement climatique.",
    "Nous avons besoin de plus de temps pour finir ce travail.",
    "Il pleut depuis trois jours et la rivière déborde.",
    "Pouvez-vous me montrer le chemin de l'hôpital sur cette carte ?",
    "Les enfants jouaient dans le jardin pendant que leur père préparait le dîner.",
    "Ce médicament ne doit pas être pris avec de l'alcool.",
    "Bonne nuit !",
    "La réunion aura lieu le 3 mars 2021 dans la salle 204.",
    "Si j'avais su, je ne serais pas venu.",
    "L'entreprise emploie 1 250 personnes dans douze pays d'Europe et d'Afrique.",
)
"""On which int8 is calibrated."""


def checkpoint_of(model: str, default: Path) -> Checkpoint:
    """The checkpoint of one of MODELS. default: the default model's checkpoint."""
    if model == DEFAULT:
        return sources.load(default)
    return random_checkpoint(default, random_transformer.OPUS_MT)


def random_checkpoint(default: Path, size: Size) -> Checkpoint:
    """The default model's text handling, and a random network behind it.

    A vocabulary larger than the default model's is filled up with tokens that no text has.
    """
    loaded = sources.load(default)
    tokenizer = marian_tokenizer(
        default / "source.spm", {token: id_ for id_, token in enumerate(tokens(default, size))}
    )
    start = size.vocabulary - 1
    return dataclasses.replace(
        loaded,
        network=random_transformer.make(size),
        source_tokenizer=tokenizer,
        target_tokenizer=tokenizer,
        tokens=Tokens(start=start, end=0, unknown=1, padding=start),
        limits=Limits(
            max_source_tokens=size.longest, max_target_tokens=size.longest, target_vocabulary=start
        ),
    )


def tokens(default: Path, size: Size | None = None) -> list[str]:
    """The vocabulary by id: the default model's, or that of random_checkpoint()."""
    vocabulary = json.loads((default / "vocab.json").read_text(encoding="utf-8"))
    *pieces, padding = sorted(vocabulary, key=vocabulary.__getitem__)
    if size is None:
        return [*pieces, padding]
    wanted = size.vocabulary - 1
    fill = (f"<{number}>" for number in range(len(pieces), wanted))
    return [*pieces[:wanted], *fill, padding]


def write_peer(model: str, default: Path, checkpoint: Checkpoint, destination: Path) -> Path:
    """Write what peer_service.py serves: the same weights in int8; returns the destination."""
    size = None if model == DEFAULT else random_transformer.OPUS_MT
    assert isinstance(checkpoint.network, Transformer)
    ctranslate2_weights.write(checkpoint.network, destination, "int8", tokens(default, size))
    for name in ("source.spm", "target.spm"):
        shutil.copyfile(default / name, destination / name)
    return destination


def write(checkpoint: Checkpoint, destination: Path, precisions: Sequence[str]) -> Path:
    """Write a model directory without comparing it with anything; returns the destination."""
    with package.staged(destination) as staging:
        content = {
            "format": FORMAT,
            "name": "measured",
            "family": checkpoint.family,
            "pairs": checkpoint.pairs,
            "tokens": checkpoint.tokens,
            "limits": checkpoint.limits,
            "tokenizers": package.write_tokenizers(staging, checkpoint),
            "variants": {name: _variant(staging, checkpoint, name) for name in precisions},
            "provenance": Provenance(
                source_kind=checkpoint.kind,
                source_files=checkpoint.files,
                exporter="benchmarks",
                created=datetime.datetime.now(datetime.UTC).date().isoformat(),
            ),
        }
        manifest = Manifest.model_validate({**content, "files": package.hashes(staging)})
        package.write_manifest(staging, manifest)
    return destination


def _ranges(checkpoint: Checkpoint) -> graph.Ranges:
    """What is seen in sentences; a random model may have fewer tokens than its tokenizer."""
    tokens, limits = checkpoint.tokens, checkpoint.limits
    most = limits.target_vocabulary
    encoded = checkpoint.source_tokenizer.encode_batch(list(SAMPLE))
    source_ids = [tuple(number % most for number in one.ids) for one in encoded]
    target = Target(tokens.start, tokens.end, most, limits.max_target_tokens)
    return calibration.observe_ids(checkpoint.network, source_ids, target)


def _variant(staging: Path, checkpoint: Checkpoint, precision: str) -> dict[str, object]:
    ranges = _ranges(checkpoint) if precision == "int8" else None
    graphs = graph.build(checkpoint.network, precision, ranges)
    encoder, decoder = package.write_graphs(staging, precision, graphs)
    return {
        "precision": graph.VARIANTS[precision].precision,
        "devices": [graph.VARIANTS[precision].device],
        "encoder": encoder,
        "decoder": decoder,
    }
