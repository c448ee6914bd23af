"""Some of the cases that `make fuzz` makes thousands of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.access.keys import Key, digest, write
from service.opening import open_model_directory
from service.settings import (
    AccessSettings,
    DecodingSettings,
    ModelSettings,
    RuntimeSettings,
    Settings,
    SuggestionSettings,
)
from tests.end_to_end.conftest import ROOT, live_server

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
CASES = 8
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"


@pytest.mark.parametrize("key", [None, "good", "wrong"])
def test_answers_are_those_of_the_document(
    tiny_directory: Path, tmp_path: Path, key: str | None
) -> None:
    write(tmp_path / "keys", [Key(name="a", sha256=digest("good"), characters_per_month=300)])
    settings = Settings(
        access=AccessSettings(keys_file=tmp_path / "keys") if key else AccessSettings(),
        model=ModelSettings(directory=tiny_directory),
        runtime=RuntimeSettings(engine="thread", threads=1),
        decoding=DecodingSettings(beam_size=1, max_decoding_length=8),
        suggestions=SuggestionSettings(file=tmp_path / "suggestions"),
    )
    arguments = ["--header", f"X-API-Key: {key}"] if key else []
    with live_server(settings, open_model_directory) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)),
                *("run", f"{url}/openapi.json"),
                *("--checks", CHECKS, "--phases", "examples,fuzzing", "--seed", "1"),
                *("--max-examples", str(CASES), "--generation-deterministic"),
                *("--suppress-health-check", "all", "--warnings", "off", *arguments),
            ],
            cwd=ROOT,
            env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.hostile.schemathesis_hooks"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout
