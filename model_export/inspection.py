"""A model directory as a person would want to read it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from model_export.attention import Attended
from model_export.evaluation import Evaluation, compare
from service.package.directory import ModelDirectory
from service.package.manifest import Manifest, Parity
from service.text.languages import name as name_of

MEGABYTE = 1e6


def describe(directory: ModelDirectory) -> RenderableType:
    """Everything that the manifest says."""
    manifest = directory.manifest
    return Group(
        _facts(directory),
        "",
        variants(manifest, manifest.parity),
        *([_scores(manifest)] if manifest.scores else []),
        _files(manifest),
        _origins(manifest),
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


def alignment(found: Attended) -> RenderableType:
    """Each token of a translation with the source token that it attended to most."""
    table = Table("translation", "attends most to", "share", title_justify="left")
    table.title = "Attention"
    for token, row in zip(found.target, found.attention, strict=True):
        best = int(row.argmax())
        table.add_row(escape(token), escape(found.source[best]), f"{row[best]:.0%}")
    return Group(Text(found.translation), table)


def _facts(directory: ModelDirectory) -> Table:
    manifest = directory.manifest
    limits, tokens = manifest.limits, manifest.tokens
    size = sum(file.bytes for file in manifest.files.values())
    table = Table(show_header=False, box=None)
    rows = {
        "model": f"{manifest.name} ({manifest.family})",
        "languages": _languages(manifest),
        "architecture": manifest.architecture or "not stated",
        "attention": "shown" if manifest.attention else "none to show",
        "is given": _conditioning(manifest) or "the sentence alone",
        "limits": f"source {limits.max_source_tokens} tokens, longer sentences are split; target "
        f"{limits.max_target_tokens} tokens; vocabulary {limits.target_vocabulary}",
        "tokens": f"start {tokens.start}, end {tokens.end}, unknown {tokens.unknown}, "
        f"padding {tokens.padding}",
        "directory": f"{directory.path}, {size / MEGABYTE:.1f} MB",
        "served": _served(directory),
        "licence": manifest.licence or "not stated",
        "made by": f"{manifest.provenance.exporter} on {manifest.provenance.created}, "
        f"from {manifest.provenance.source_kind}",
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _languages(manifest: Manifest) -> str:
    """With their names; each once where all are translated into all."""
    parts = [
        f"{pair.source} → {pair.target} ({name_of(pair.source)} → {name_of(pair.target)})"
        for pair in manifest.pairs
    ]
    sources, targets = manifest.sources, manifest.targets
    if sources == targets and sources:
        parts.append(f"{len(sources)}, each into each: {', '.join(map(_named, sources))}")
    elif sources and targets:
        sides = (", ".join(map(_named, side)) for side in (sources, targets))
        parts.append(" → ".join(sides))
    return "; ".join(parts)


def _named(code: str) -> str:
    return f"{code} {name_of(code)}"


def _conditioning(manifest: Manifest) -> str:
    """What the model is given besides the sentence."""
    asked = manifest.conditioning
    parts = [f"{asked.prompt!r} before the sentence"] if asked.prompt else []
    for places, where in (
        (asked.before, "before the sentence"),
        (asked.after, "behind the sentence"),
        (asked.start, "to begin the translation with"),
    ):
        parts += [
            f"{f'token of the {place}' if isinstance(place, str) else f'token {place}'} {where}"
            for place in places
        ]
    return "; ".join(parts)


def _served(directory: ModelDirectory) -> str:
    """What the service takes by itself on each device that there are variants for."""
    devices = {device for one in directory.manifest.variants.values() for device in one.devices}
    return ", ".join(f"{directory.fastest(device)} on {device}" for device in sorted(devices))


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
    for path, file in manifest.files.items():
        table.add_row(path, f"{file.bytes:,}", file.sha256[:16] + "…")
    return table


def _origins(manifest: Manifest) -> Table:
    title = f"Made from ({manifest.provenance.source_kind})"
    table = Table("file", "SHA-256", title=title, title_justify="left")
    for path, digest in manifest.provenance.source_files.items():
        table.add_row(path, digest[:16] + "…")
    return table
