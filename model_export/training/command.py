"""python -m model_export train transformer | lstm | average | curves"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from rich.console import Console

from model_export.training.average import Part, average
from model_export.training.data import DataFile, positive
from model_export.training.errors import TrainingError
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.settings import Budget, Recipe
from service.package.manifest import LanguagePair

Commands = Any  # argparse's class of it is generic in typeshed only


def add_recipes(commands: Commands) -> None:
    """Add a subcommand for each recipe, and those for what runs have made."""
    transformer = commands.add_parser(
        "transformer",
        help="train a Transformer in Marian's architecture",
        description="Train a Transformer. With the --out of an earlier run, go on with it.",
    )
    transformer.set_defaults(run=_transformer)
    _add_data(transformer)
    transformer.add_argument("--init", type=Path, help="checkpoint or package to begin from")
    transformer.add_argument(
        "--cool-down",
        type=Path,
        metavar="RUN",
        help="branch off another run where it stands: the learning rate falls to zero over the "
        "budget (not with --decay-share 0); --data and --origin may be others",
    )
    _add_settings(transformer, Recipe)
    _add_settings(transformer, Budget)
    lstm = commands.add_parser(
        "lstm",
        help="train an LSTM or GRU with attention, in Keras",
        description="Train an LSTM. With the --out of an earlier run, go on with it.",
    )
    lstm.set_defaults(run=_lstm)
    _add_data(lstm)
    _add_settings(lstm, LstmRecipe)
    average = commands.add_parser(
        "average", help="write the mean of the weights of models from the same beginning"
    )
    average.set_defaults(run=_average)
    average.add_argument(
        "parts",
        type=_argument(Part.parse),
        nargs="+",
        metavar="MODEL[=WEIGHT]",
        help="directories that the transformer's recipe wrote: a run's model",
    )
    average.add_argument("--out", type=Path, required=True, help="directory to write")
    curves = commands.add_parser("curves", help="draw the curves of a run")
    curves.add_argument("directory", type=Path, help="the run's --out")
    curves.set_defaults(run=_curves)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument(
        "--data",
        type=_argument(DataFile.parse),
        action="append",
        metavar="FILE[:WEIGHT]",
        help="source<TAB>target[<TAB>origin] a line, plain or .gz; may be repeated",
    )
    parser.add_argument(
        "--origin",
        type=_argument(_origin),
        action="append",
        metavar="NAME=WEIGHT",
        help="take pairs of this origin so many times an epoch; others are left out",
    )
    parser.add_argument(
        "--dev",
        action="append",
        metavar="PREFIX",
        help="measure on PREFIX.fr and PREFIX.en (for fr-en); may be repeated",
    )
    parser.add_argument("--pair", type=_argument(_pair), help="languages, such as fr-en")


def _add_settings(parser: argparse.ArgumentParser, settings: type[BaseModel]) -> None:
    """An option for each field; those not given are absent from the result."""
    group = parser.add_argument_group(settings.__name__.lower())
    for name, field in settings.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar=_metavar(field.annotation),
            help=f"{field.description}{_default(field.get_default(call_default_factory=True))}",
        )


def _metavar(kind: object) -> str:
    """The words that a field may be; N for numbers."""
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else "N"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" ({value:.3g})" if isinstance(value, float) else f" ({value})"


def _transformer(options: argparse.Namespace, console: Console) -> None:
    begin, transformer = _needing_extra("begin"), _needing_extra("transformer")
    given = vars(options)
    request = begin.Request(
        out=options.out,
        data=tuple(options.data or ()),
        origins=dict(options.origin) if options.origin else None,
        development=tuple(options.dev or ()),
        pair=options.pair,
        initial=options.init,
        cool_down=options.cool_down,
        settings={name: given[name] for name in Recipe.model_fields if name in given},
        budget={name: given[name] for name in Budget.model_fields if name in given},
    )
    transformer.train(options.out, begin.find(request), console)


def _lstm(options: argparse.Namespace, console: Console) -> None:
    lstm, lstm_run = _needing_extra("lstm"), _needing_extra("lstm_run")
    given = vars(options)
    request = lstm_run.Request(
        out=options.out,
        data=tuple(options.data or ()),
        origins=dict(options.origin) if options.origin else None,
        development=tuple(options.dev or ()),
        pair=options.pair,
        settings={name: given[name] for name in LstmRecipe.model_fields if name in given},
    )
    lstm.train(options.out, lstm_run.find(request), console)


def _average(options: argparse.Namespace, console: Console) -> None:
    average(options.parts, options.out)
    console.print(f"{options.out} is written.", markup=False, highlight=False)


def _curves(options: argparse.Namespace, console: Console) -> None:
    console.print(str(_needing_extra("curves").draw(options.directory)))


def _needing_extra(module: str) -> Any:
    """A module of this package that needs the extra `train`, loaded only where it is used."""
    try:
        return importlib.import_module(f"model_export.training.{module}")
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"Training needs {error.name}: pip install -r requirements/train.txt"
        ) from error


def _argument(parse: Any) -> Any:
    """parse, with its ValueError in words of the command line."""

    def converted(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def _origin(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    if not name:
        raise ValueError(f"{text!r} is not like europarl=0.3")
    return name, positive(weight)


def _pair(text: str) -> LanguagePair:
    source, _, target = text.partition("-")
    return LanguagePair(source=source, target=target)
