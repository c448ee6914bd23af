"""What the processor can do."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Names of the instructions in Linux, of x86 and, the last one, of ARM."""


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether it has instructions for it: without them, torch's products in bfloat16 take eight
    times as long as those in float32. False also where there is no such file.
    """
    if not cpuinfo.exists():
        return False
    return not BFLOAT16.isdisjoint(cpuinfo.read_text(encoding="utf-8").split())
