"""Make tests/data/golden/fr-en-lstm.json: what Keras makes of the weights of models/fr-en-lstm.

    python make_lstm.py RUN SENTENCES.fr golden/fr-en-lstm.json

Needs what `python -m model_export train lstm` needs. RUN: its directory. SENTENCES.fr: a few lines
of Tatoeba (CC BY 2.0 FR).
"""

import json
import sys
from pathlib import Path

from model_export.training.lstm import load
from model_export.training.lstm_decoding import pad, translate
from model_export.training.lstm_vocabulary import END


def main(run: Path, text: Path, destination: Path) -> None:
    translator, (source, target) = load(run)
    lines = text.read_text(encoding="utf-8").splitlines()
    ids = [[*source.encode(line), END] for line in lines]
    found = translate(translator, ids)
    # (tokens, source tokens): the first sentence alone, so that nothing is padded.
    _, (attention, *_) = translator.greedy(pad(ids[:1]))
    golden = {
        "sentences": lines,
        "source_ids": ids,
        "keras": [[int(token) for token in tokens] for tokens in found],
        "texts": [target.decode(tokens) for tokens in found],
        "attention": [[round(float(value), 5) for value in row] for row in attention],
    }
    content = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    destination.write_text(content.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
