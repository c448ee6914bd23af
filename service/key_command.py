"""python -m service key: make a client's key, or take it back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from service.access.keys import Key, digest, new_secret, read, write
from service.errors import InvalidSettings


def main(arguments: Sequence[str], default_file: Path | None) -> int:
    """Run the command. The process' exit code.

    default_file: that of the settings.

    Raises:
        InvalidSettings: there is no file, it can't be used, or the name or a value is wrong.
    """
    asked = _parser(default_file).parse_args(arguments)
    if asked.file is None:
        raise InvalidSettings("Say which --file of keys, or set SEQ2SEQ_ACCESS__KEYS_FILE.")
    try:
        if asked.action == "add":
            _add(asked)
        else:
            _remove(asked)
    except OSError as error:
        raise InvalidSettings(f"{asked.file} can't be written: {error}") from None
    return 0


def _parser(default_file: Path | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service key")
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="make a key and print it; only its hash is kept")
    remove = actions.add_parser("remove", help="take a key back")
    for action in (add, remove):
        action.add_argument("name", help="whose key it is, for log lines")
        action.add_argument(
            "--file", type=Path, default=default_file, help="default: SEQ2SEQ_ACCESS__KEYS_FILE"
        )
    add.add_argument("--rates", help="most requests, such as '60/minute;5000/day'")
    add.add_argument("--characters-per-month", type=int, metavar="N", help="most characters")
    add.add_argument("--admin", action="store_true", help="it may load and unload models")
    return parser


def _add(asked: argparse.Namespace) -> None:
    keys = read(asked.file) if asked.file.exists() else []
    if any(key.name == asked.name for key in keys):
        raise InvalidSettings(f"{asked.file} has a key of {asked.name}; remove that one first.")
    secret = new_secret()
    try:
        key = Key(
            name=asked.name,
            sha256=digest(secret),
            rates=asked.rates,
            characters_per_month=asked.characters_per_month,
            admin=asked.admin,
        )
    except ValidationError as error:
        faults = (f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise InvalidSettings("; ".join(faults)) from None
    write(asked.file, [*keys, key])
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"This is the only time that it is shown; {asked.file} has its hash.\n")


def _remove(asked: argparse.Namespace) -> None:
    keys = read(asked.file)
    left = [key for key in keys if key.name != asked.name]
    if len(left) == len(keys):
        raise InvalidSettings(f"{asked.file} has no key of {asked.name}.")
    write(asked.file, left)
