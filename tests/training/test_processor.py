from __future__ import annotations

from pathlib import Path

import pytest

from model_export.training.processor import multiplies_bfloat16
from model_export.training.settings import Recipe


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse4_2 avx2 avx512f avx512_bf16 avx512_vnni", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("fpu sse4_2 avx2 avx512f avx512_vnni", False),
    ],
)
def test_bfloat16_is_for_processors_that_multiply_it(
    flags: str, expected: bool, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", "utf-8")
    assert multiplies_bfloat16(cpuinfo) is expected


def test_not_where_nothing_is_said(tmp_path: Path) -> None:
    assert not multiplies_bfloat16(tmp_path / "cpuinfo")


def test_the_recipe_goes_by_it() -> None:
    assert Recipe().precision == ("bf16" if multiplies_bfloat16() else "fp32")
