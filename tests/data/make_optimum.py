"""Make tests/data/optimum: the graphs that Hugging Face's optimum exports of the tiny models.

    python make_optimum.py tiny-marian families optimum

Needs torch==2.13.0, optimum-onnx 0.1.0 with optimum 2.1.0, transformers 4.57, accelerate and
onnxruntime. Half of the decoders are kept as one graph with two branches, half as they are without
a cache. What else belongs to a checkpoint is in the folder that the graphs were made from.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export

MERGED = ("marian", "nllb", "mbart50", "pegasus", "flan-t5", "madlad")
CONFIG = ("config.json", "generation_config.json")
TASK = "text2text-generation-with-past"


def main(marian: Path, families: Path, destination: Path) -> None:
    shutil.rmtree(destination, ignore_errors=True)
    # Marian's own checkpoints have no config.json, and optimum does not read them.
    configured = sorted(path.parent for path in families.glob("*/config.json"))
    sources = {"marian": marian} | {path.name: path for path in configured}
    for name, source in sources.items():
        with tempfile.TemporaryDirectory() as folder:
            main_export(str(source), folder, task=TASK, do_validation=False, device="cpu")
            decoder = "decoder_model_merged" if name in MERGED else "decoder_model"
            names = ("encoder_model.onnx", f"{decoder}.onnx", *CONFIG)
            keep(Path(folder), destination / name, names)
            if name == "marian":
                quantize(Path(folder), destination / "marian-quantized")


def keep(folder: Path, destination: Path, names: tuple[str, ...]) -> None:
    destination.mkdir(parents=True)
    for name in names:
        shutil.copyfile(folder / name, destination / name)


def quantize(folder: Path, destination: Path) -> None:
    """The encoder with a scale for each matrix, the decoder with one for each column."""
    keep(folder, destination, CONFIG)
    for graph, columns in (("encoder_model", False), ("decoder_model", True)):
        quantize_dynamic(
            folder / f"{graph}.onnx",
            destination / f"{graph}_quantized.onnx",
            per_channel=columns,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
