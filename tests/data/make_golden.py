"""Make tests/data/golden/*.json: what transformers and CTranslate2 make of the same weights.

    python make_golden.py tiny-marian SENTENCES.fr golden/tiny.json
    python make_golden.py PATH/TO/marian-fr-en SENTENCES.fr golden/fr-en.json

Needs torch==2.13.0, transformers 5.23, ctranslate2 4.8 and sentencepiece 0.2.3.
SENTENCES.fr: a few lines of Tatoeba (CC BY 2.0 FR).
"""

import json
import sys
import tempfile
from pathlib import Path

import ctranslate2
import sentencepiece
import torch
from transformers import MarianMTModel

LONGEST = 40
SEARCHES = (
    {"beam_size": 1},
    {"beam_size": 4, "num_hypotheses": 4},
    {"beam_size": 4, "num_hypotheses": 4, "length_penalty": 0.0},
    {"beam_size": 5, "num_hypotheses": 2, "length_penalty": 0.6, "min_decoding_length": 9},
    {"beam_size": 3, "num_hypotheses": 3, "max_decoding_length": 6},
    {"beam_size": 1, "min_decoding_length": 12},
)


def main(directory: Path, text: Path, destination: Path) -> None:
    vocabulary = json.loads((directory / "vocab.json").read_text())
    pieces = sentencepiece.SentencePieceProcessor(str(directory / "source.spm"))
    lines = text.read_text(encoding="utf-8").splitlines()
    sources = [[*pieces.encode(line, out_type=str), "</s>"] for line in lines]
    ids = [[vocabulary.get(piece, vocabulary["<unk>"]) for piece in source] for source in sources]
    golden = {
        "sentences": lines,
        "source_ids": ids,
        "transformers": greedy(directory, vocabulary, ids),
        "ctranslate2": beams(directory, vocabulary, sources),
    }
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    destination.write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


def greedy(directory: Path, vocabulary: dict[str, int], ids: list[list[int]]) -> list[dict]:
    model = MarianMTModel.from_pretrained(directory).eval()
    # <pad> only stands for the decoder's start; Marian itself does not have it.
    model.final_logits_bias[0, vocabulary["<pad>"]] = -torch.inf
    return [greedy_one(model, source) for source in ids]


@torch.no_grad()
def greedy_one(model: MarianMTModel, source: list[int]) -> dict:
    output = model.generate(
        torch.tensor([source]), num_beams=1, do_sample=False, min_new_tokens=1,
        max_new_tokens=LONGEST, forced_eos_token_id=None, output_logits=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    tokens = output.sequences[0, 1:].tolist()
    log_probs = torch.cat(output.logits).log_softmax(-1)
    chosen = log_probs[range(len(tokens)), tokens].tolist()
    return {"tokens": tokens, "log_probs": [round(value, 6) for value in chosen]}


def beams(directory: Path, vocabulary: dict[str, int], sources: list[list[str]]) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        converted = ctranslate2.converters.TransformersConverter(str(directory)).convert(
            f"{folder}/model"
        )
        translator = ctranslate2.Translator(converted, compute_type="float32", intra_threads=1)
        return [
            {"options": options, "results": search(translator, vocabulary, sources, options)}
            for options in SEARCHES
        ]


def search(
    translator: ctranslate2.Translator,
    vocabulary: dict[str, int],
    sources: list[list[str]],
    options: dict,
) -> list[list[dict]]:
    results = translator.translate_batch(
        sources, return_scores=True, **{"max_decoding_length": LONGEST, **options}
    )
    return [
        [
            {"tokens": [vocabulary[token] for token in tokens], "score": round(score, 6)}
            for tokens, score in zip(result.hypotheses, result.scores, strict=True)
        ]
        for result in results
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
