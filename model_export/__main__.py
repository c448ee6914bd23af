"""python -m model_export convert | verify | inspect | evaluate | train"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import Progress

from model_export import attention, evaluation, graph, inspection, pipeline, text_command
from model_export.errors import ExportError, UnsupportedCheckpoint
from service.errors import InvalidPackage, UnsupportedLanguage
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair, Parity, Score

MIN_LENGTH = 8
"""Least --max-source-tokens: shorter pieces are no sentences any more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True)
    run: Callable[[argparse.Namespace, Console], None] = options.run
    try:
        run(options, Console())
    except UnsupportedCheckpoint as error:
        errors.print(f"This can't be converted, for {len(error.problems)} reason(s):", style="red")
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    except (ExportError, InvalidPackage, UnsupportedLanguage, OSError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _convert(options: argparse.Namespace, console: Console) -> None:
    destination: Path = options.destination
    with console.status("Converting") as status:
        manifest = pipeline.convert(
            options.source,
            destination,
            pipeline.ExportOptions(
                name=options.name or destination.name,
                variants=options.variants,
                pairs=tuple(options.pair),
                prompt=options.prompt,
                max_source_tokens=options.max_source_tokens,
                calibration=options.calibration,
                licence=options.licence,
                card=options.card,
                scores=options.scores,
                replace=options.force,
                text=text_command.text_options(options),
            ),
            _reporter(console, status.update),
        )
    console.print(inspection.variants(manifest, manifest.parity))
    ready = f"{destination} is ready: SEQ2SEQ_MODEL__DIRECTORY={destination} make serve"
    console.print(ready, soft_wrap=True)


def _verify(options: argparse.Namespace, console: Console) -> None:
    directory = ModelDirectory.open(options.directory)
    if options.picture is not None:
        attention.require_picture(options.picture, options.sentence)
    parity = _checked(options, directory, console)
    console.print(inspection.variants(directory.manifest, parity))
    if options.test_set is not None:
        _score(options, directory, evaluation.TestSet.read(*options.test_set), console)
    if options.sentence is not None:
        variant = options.variant or directory.fastest("cpu")
        found = attention.attend(directory, variant, options.sentence, options.pair)
        console.print(inspection.alignment(found))
        if options.picture is not None:
            attention.draw(found, options.picture)


def _checked(
    options: argparse.Namespace, directory: ModelDirectory, console: Console
) -> Mapping[str, Parity]:
    """What comparing with the checkpoint gave, or gave when it was converted."""
    with console.status("Verifying") as status:
        report = _reporter(console, status.update)
        if options.source is not None:
            text = text_command.text_options(options)
            return pipeline.check(directory, options.source, text, report)
        report("Checking hashes")
        directory.check()
    return directory.manifest.parity


def _score(
    options: argparse.Namespace,
    directory: ModelDirectory,
    test_set: evaluation.TestSet,
    console: Console,
) -> None:
    """Every variant for the CPU, or the one that is asked for."""
    variants = directory.manifest.variants
    names = [name for name, one in variants.items() if "cpu" in one.devices]
    for name in [options.variant] if options.variant else names:
        found = _evaluated(options, options.directory, name, test_set, console)
        console.print(inspection.evaluation(found, worst=0))


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    test_set = evaluation.TestSet.read(options.source, options.reference)
    found = _evaluated(options, options.directory, options.variant, test_set, console)
    console.print(inspection.evaluation(found, options.worst))
    if options.baseline is not None:
        baseline = _evaluated(options, options.baseline, options.variant, test_set, console)
        console.print(inspection.comparison(baseline, found))


def _evaluated(
    options: argparse.Namespace,
    path: Path,
    variant: str | None,
    test_set: evaluation.TestSet,
    console: Console,
) -> evaluation.Evaluation:
    directory = ModelDirectory.open(path)
    variant = variant or next(iter(directory.manifest.variants))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{path} {variant}", total=len(test_set.sources))
        return evaluation.evaluate(
            directory,
            variant,
            test_set,
            options.beam_size,
            lambda sentences: progress.advance(task, sentences),
            options.pair,
        )


def _inspect(options: argparse.Namespace, console: Console) -> None:
    console.print(inspection.describe(ModelDirectory.open(options.directory)))


def _reporter(console: Console, update: Callable[[str], None]) -> pipeline.Progress:
    def report(stage: str) -> None:
        console.print(stage, markup=False, highlight=False)
        update(stage)

    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_export", description="Make model directories for the service."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_verify(commands)
    inspect = commands.add_parser("inspect", help="show what a model directory holds")
    inspect.add_argument("directory", type=Path, help="the model directory")
    inspect.set_defaults(run=_inspect)
    _add_evaluate(commands)
    _add_train(commands)
    return parser


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    convert = commands.add_parser("convert", help="convert a checkpoint into a model directory")
    convert.set_defaults(run=_convert)
    convert.add_argument("source", type=Path, help="the checkpoint: a directory or a file")
    convert.add_argument("destination", type=Path, help="the model directory to make")
    convert.add_argument("--name", help="the model's name (the destination's by default)")
    convert.add_argument(
        "--pair",
        type=_pair,
        action="append",
        default=[],
        metavar="fr-en",
        help="languages it translates, if the checkpoint doesn't say or fewer are wanted; may be "
        "repeated",
    )
    convert.add_argument(
        "--prompt",
        metavar="TEXT",
        help="what every sentence is given to the model with, such as "
        '"translate {source} to {target}: " (by default what the checkpoint says)',
    )
    convert.add_argument(
        "--variants",
        nargs="+",
        choices=list(graph.VARIANTS),
        default=list(graph.DEFAULT_VARIANTS),
        help="variants to make (by default fp32 and int8, for a CPU); int4 is smaller and slower; "
        "fp16 and fp32-cuda are for CUDA, and fp16 takes half of fp32's room",
    )
    convert.add_argument(
        "--max-source-tokens",
        type=_length,
        metavar="N",
        help="longest sentence that the model translates well, in tokens; longer ones are split "
        "(by default as long as its position embeddings allow)",
    )
    convert.add_argument(
        "--calibration",
        type=_sentences,
        default=(),
        metavar="FILE",
        help="source text, one sentence a line; some hundreds of the kind that will be translated. "
        "int8 rounds activations in the ranges seen there, and is faster than without",
    )
    text_command.add_text(convert)
    convert.add_argument("--licence", help="licence of the weights, for the manifest")
    convert.add_argument("--card", type=Path, help="model card, copied to README.md")
    convert.add_argument(
        "--scores",
        type=_scores,
        default=(),
        metavar="FILE",
        help="measured scores for the manifest: a JSON list of "
        '{"test_set", "variant", "beam_size", "bleu", "chrf"}',
    )
    convert.add_argument(
        "--force", action="store_true", help="replace the destination, if it is a model directory"
    )


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify", help="check a model directory, against its checkpoint and on texts"
    )
    verify.set_defaults(run=_verify)
    verify.add_argument("directory", type=Path, help="the model directory")
    verify.add_argument(
        "source",
        type=Path,
        nargs="?",
        help="the checkpoint that it was made from; without it only hashes are checked",
    )
    text_command.add_text(verify)
    verify.add_argument(
        "--test-set",
        type=Path,
        nargs=2,
        metavar=("SOURCE", "REFERENCE"),
        help="two files, one sentence a line: BLEU and chrF of every variant for the CPU",
    )
    verify.add_argument("--beam-size", type=int, default=4, choices=range(1, 33), metavar="N")
    verify.add_argument("--sentence", help="show what its translation attends to")
    verify.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw it (.png, .svg; needs matplotlib)"
    )
    verify.add_argument("--variant", help="variant to translate with")
    verify.add_argument(
        "--pair", type=_pair, metavar="fr-en", help="languages (by default the model's first)"
    )


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser("evaluate", help="score a model directory on a test set")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("directory", type=Path, help="the model directory")
    evaluate.add_argument("--source", type=Path, required=True, help="one sentence a line")
    evaluate.add_argument("--reference", type=Path, required=True, help="their translations")
    evaluate.add_argument(
        "--pair", type=_pair, metavar="fr-en", help="their languages (by default the model's first)"
    )
    evaluate.add_argument("--variant", help="variant to score (the first one by default)")
    evaluate.add_argument("--beam-size", type=int, default=4, choices=range(1, 33), metavar="N")
    evaluate.add_argument("--worst", type=int, default=5, metavar="N", help="sentences to show")
    evaluate.add_argument(
        "--baseline", type=Path, help="model directory to compare with, by paired bootstrap"
    )


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from model_export.training import command

    train = commands.add_parser("train", help="train a model (needs the extra `train`)")
    command.add_recipes(train.add_subparsers(required=True, metavar="RECIPE"))


def _length(text: str) -> int:
    if not text.isdecimal() or int(text) < MIN_LENGTH:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {MIN_LENGTH}")
    return int(text)


def _pair(text: str) -> LanguagePair:
    source, _, target = text.partition("-")
    try:
        return LanguagePair(source=source, target=target)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like fr-en") from None


def _sentences(path: str) -> tuple[str, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None
    sentences = tuple(line.strip() for line in lines if line.strip())
    if not sentences:
        raise argparse.ArgumentTypeError(f"{path} holds no sentences")
    return sentences


def _scores(path: str) -> tuple[Score, ...]:
    try:
        return TypeAdapter(tuple[Score, ...]).validate_python(
            json.loads(Path(path).read_text(encoding="utf-8"))
        )
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
