"""A model directory as a person would want to read it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from model_export.evaluation import Evaluation, compare
from service.package.directory import ModelDirectory
from service.package.manifest import Manifest, Parity

MEGABYTE = 1e6


def describe(directory: ModelDirectory) -> RenderableType:
    """Everything that the manifest says."""
    manifest = directory.manifest
    return Group(
        _facts(directory),
        variants(manifest, manifest.parity),
        *([_scores(manifest)] if manifest.scores else []),
        _files(manifest),
    )


def variants(manifest: Manifest, parity: Mapping[str, Parity]) -> Table:
    """Size of each variant and its difference from the numpy reference."""
    title = "Variants, compared with the numpy reference on sentences of random tokens"
    table = Table(title=title, title_justify="left")
    columns = ("variant", "runs on", "size", "log-prob. difference", "same greedy translation")
    for column in columns:
        table.add_column(column, justify="right" if column == "size" else "left")
    for name, variant in manifest.variants.items():
        files = (variant.encoder, variant.decoder, *variant.data)
        size = sum(manifest.files[file].bytes for file in files)
        found = parity.get(name)
        table.add_row(
            name,
            ", ".join(variant.devices),
            f"{size / MEGABYTE:.1f} MB",
            f"at most {found.max_log_prob_difference:.1e}" if found else "not measured",
            f"{found.same_tokens:.0%} of {found.sentences} probes" if found else "not measured",
        )
    return table


def evaluation(found: Evaluation, worst: int) -> RenderableType:
    """Scores of a test set, and its worst sentences."""
    table = Table(title=f"{found.model} on {found.test_set.name}", title_justify="left")
    for column in ("sentences", "BLEU", "chrF", "length ratio", "tokens/s"):
        table.add_column(column, justify="right")
    table.add_row(
        str(len(found.test_set.sources)),
        f"{found.bleu:.2f}",
        f"{found.chrf:.2f}",
        f"{found.length_ratio:.3f}",
        f"{found.tokens_per_second:.0f}",
    )
    sentences = Table("chrF", "source", "translation", "reference", title="Worst sentences")
    for score, *texts in found.worst(worst):
        sentences.add_row(f"{score:.1f}", *map(escape, texts))
    return Group(table, *([sentences] if worst else []))


def comparison(first: Evaluation, second: Evaluation) -> Table:
    """Two models on one test set, with the paired bootstrap's p."""
    table = Table(title="Compared sentence by sentence", title_justify="left")
    for column in ("metric", first.model, second.model, "p"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for metric, one, other, p in compare(first, second):
        table.add_row(metric, f"{one:.2f}", f"{other:.2f}", f"{p:.3f}")
    return table


def _facts(directory: ModelDirectory) -> Table:
    manifest = directory.manifest
    limits, tokens = manifest.limits, manifest.tokens
    table = Table(show_header=False, box=None)
    rows = {
        "model": f"{manifest.name} ({manifest.family})",
        "languages": _languages(manifest),
        "architecture": manifest.architecture or "not stated",
        "attention": "shown" if manifest.attention else "none to show",
        "directory": str(directory.path),
        "licence": manifest.licence or "not stated",
        "made by": f"{manifest.provenance.exporter} on {manifest.provenance.created}, "
        f"from {manifest.provenance.source_kind}",
        "limits": f"source {limits.max_source_tokens} tokens, target {limits.max_target_tokens}, "
        f"vocabulary {limits.target_vocabulary}",
        "tokens": f"start {tokens.start}, end {tokens.end}, unknown {tokens.unknown}, "
        f"padding {tokens.padding}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _languages(manifest: Manifest) -> str:
    parts = [f"{pair.source} → {pair.target}" for pair in manifest.pairs]
    if manifest.sources and manifest.targets:
        parts.append(f"{', '.join(manifest.sources)} → {', '.join(manifest.targets)}")
    return "; ".join(parts)


def _scores(manifest: Manifest) -> Table:
    table = Table(
        "test set", "variant", "beam", "BLEU", "chrF", title="Scores", title_justify="left"
    )
    for score in manifest.scores:
        table.add_row(
            score.test_set,
            score.variant,
            str(score.beam_size),
            f"{score.bleu:.2f}",
            f"{score.chrf:.2f}",
        )
    return table


def _files(manifest: Manifest) -> Table:
    table = Table("file", "bytes", "SHA-256", title="Files", title_justify="left")
    for name, file in manifest.files.items():
        table.add_row(name, f"{file.bytes:,}", file.sha256[:16] + "…")
    return table
