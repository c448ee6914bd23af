"""Make tests/data/families/marian-*: small models that Marian itself has written, with random
weights, and what Marian and CTranslate2 make of them.

    python make_marian.py text families [NAME …]

Needs pymarian 1.12.42 (Marian itself, with its command line), ctranslate2 4.8.5, sentencepiece,
numpy and PyYAML. text: the folder beside this file, whose lines vocabularies are trained on.

Marian trains for one update, so that names, shapes and special:model.yml are its own; then the
weights get noise. CTranslate2 gets Marian's position table, epsilon and gelu, which it has others
for. Where norms come before self-attention, Marian's decoder leaves them out for keys and values of
earlier tokens, unlike its training and its scorer; there the tokens are CTranslate2's, and their
log-probabilities those of Marian's scorer.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import sentencepiece
import yaml
from ctranslate2.converters import marian
from ctranslate2.specs import common_spec

LONGEST = 24
LINES = 60
SENTENCES = (0, 3, 7, 12, 19, 33)
# As in make_tiny_families.py.
SEARCHES = (
    {"beam_size": 1},
    {"beam_size": 4, "num_hypotheses": 4, "min_decoding_length": 2},
    {"beam_size": 3, "num_hypotheses": 3, "length_penalty": 0.0, "min_decoding_length": 2},
    {"beam_size": 4, "num_hypotheses": 2, "min_decoding_length": 8},
)
SIZES = {
    "type": "transformer", "dim-emb": 16, "enc-depth": 2, "dec-depth": 2, "transformer-heads": 2,
    "transformer-dim-ffn": 24,
}  # fmt: skip
SSRU = {"transformer-decoder-autoreg": "rnn", "dec-cell": "ssru"}
SPM = {"bos_id": -1, "eos_id": 0, "unk_id": 1, "normalization_rule_name": "identity"}
BYTES = {
    **SPM,
    "byte_fallback": True,
    "character_coverage": 0.995,
    "user_defined_symbols": "__source__,__target__",
}


@dataclass
class Kind:
    """How to make one."""

    options: dict[str, Any]
    vocabularies: dict[str, dict[str, Any]]
    """Files and what SentencePiece is told; one for both languages or one for each."""
    listed: bool = False
    """Whether the vocabulary is a list of the tokens of both."""
    decoder: str | None = "decoder.yml"
    """The file that says so, if one does."""
    seed: int = 0
    ending: float = 0.0
    """Added to the end token's logit, so that some sentences end."""


KINDS = {
    "marian-opus": Kind(
        {"tied-embeddings-all": True, "transformer-ffn-activation": "swish"},
        {"source.spm": {"vocab_size": 110, **SPM}, "target.spm": {"vocab_size": 100, **SPM}},
        listed=True,
        seed=8,
        ending=2.0,
    ),
    "marian-student": Kind(
        {
            **SSRU, "tied-embeddings-all": True, "transformer-ffn-activation": "relu",
            "transformer-decoder-dim-ffn": 20, "transformer-guided-alignment-layer": "1",
            "transformer-depth-scaling": True,
        },
        {"vocab.spm": {"vocab_size": 400, **BYTES}},
        decoder=None,
        seed=8,
        ending=4.0,
    ),
    "marian-pre-norm": Kind(
        {
            "transformer-preprocess": "n", "transformer-postprocess": "da",
            "transformer-postprocess-top": "n", "transformer-postprocess-emb": "nd",
            "tied-embeddings": True, "transformer-ffn-activation": "gelu",
        },
        {"vocab.fr.spm": {"vocab_size": 110, **SPM}, "vocab.en.spm": {"vocab_size": 90, **SPM}},
        decoder="model.npz.decoder.yml",
        seed=4,
        ending=1.0,
    ),
    "marian-untied": Kind(
        {
            **SSRU, "dec-depth": 3, "transformer-tied-layers": ["1", "1", "2"],
            "transformer-rnn-projection": True, "transformer-preprocess": "r",
            "transformer-postprocess": "da", "transformer-postprocess-top": "r",
            "tied-embeddings-src": True, "output-omit-bias": True,
            "transformer-ffn-activation": "relu", "transformer-disable-position-embeddings": True,
        },
        {"vocab.spm": {"vocab_size": 120, "model_type": "bpe", **SPM}},
        seed=1,
        ending=1.0,
    ),
}  # fmt: skip


def main(text: Path, destination: Path, names: list[str]) -> None:
    sides = [
        (text / f"tatoeba.{side}").read_text(encoding="utf-8").splitlines()[:LINES]
        for side in ("fr", "en")
    ]
    others = json.loads(destination.with_name("families-lines.json").read_text(encoding="utf-8"))
    for name in names or KINDS:
        make(Maker(KINDS[name], destination / name), sides, [*sides[0], *sides[1], *others])


class Maker:
    """One kind in its directory."""

    def __init__(self, kind: Kind, path: Path) -> None:
        self.kind, self.path = kind, path
        self.model = path / "model.npz"

    def train_vocabularies(self, sides: list[list[str]]) -> None:
        """One for both sides, or one for each; then the list of their tokens."""
        files = list(self.kind.vocabularies.items())
        # Of what source.spm lacks, Marian would find what is spelt like a token of the target.
        known = {c for lines in sides for line in lines for c in line if not c.isspace()}
        more = {"required_chars": "".join(sorted(known))} if self.kind.listed else {}
        texts = sides if len(files) > 1 else [[*sides[0], *sides[1]]]
        for (name, options), lines in zip(files, texts, strict=True):
            with tempfile.TemporaryDirectory() as folder:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(lines), model_prefix=f"{folder}/m", minloglevel=2,
                    hard_vocab_limit=False, **options, **more,
                )  # fmt: skip
                shutil.copyfile(f"{folder}/m.model", self.path / name)
        names = [name for name, _ in files]
        self.splitters = [
            sentencepiece.SentencePieceProcessor(str(self.path / name))
            for name in (names[0], names[-1])
        ]
        if self.kind.listed:
            tokens = "\n".join(
                " ".join(splitter.encode(line, out_type=str))
                for splitter, lines in zip(self.splitters, sides, strict=True)
                for line in lines
            )
            (self.path / "opus.vocab.yml").write_text(run("vocab", text=tokens), encoding="utf-8")
            names = ["opus.vocab.yml"]
        self.vocabularies = [self.path / names[0], self.path / names[-1]]

    def ids(self, side: int) -> dict[str, int]:
        """Token → id."""
        if self.kind.listed:
            return yaml.load(self.vocabularies[side].read_text(encoding="utf-8"), yaml.BaseLoader)
        splitter = self.splitters[side]
        return {splitter.id_to_piece(number): number for number in range(len(splitter))}

    def encode(self, line: str) -> list[int]:
        """With the end token."""
        ids = self.ids(0)
        if not self.kind.listed:
            return [*self.splitters[0].encode(line), ids["</s>"]]
        pieces = self.splitters[0].encode(line, out_type=str)
        return [int(ids.get(piece, ids["<unk>"])) for piece in [*pieces, "</s>"]]

    def text_for_marian(self, line: str) -> str:
        return " ".join(self.splitters[0].encode(line, out_type=str)) if self.kind.listed else line

    def train(self, sides: list[list[str]]) -> None:
        """One update of Marian's."""
        with tempfile.TemporaryDirectory() as folder:
            sets = [Path(folder) / str(side) for side in range(2)]
            for file, splitter, lines in zip(sets, self.splitters, sides, strict=True):
                if self.kind.listed:
                    lines = [" ".join(splitter.encode(line, out_type=str)) for line in lines]
                file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            options = [*map(str, sets), "--vocabs", *map(str, self.vocabularies)]
            run(
                "train", "--model", f"{folder}/model.npz", "--train-sets", *options,
                "--cpu-threads", "1", "--workspace", "64", "--after-batches", "1", "--seed", "1",
                *arguments({**SIZES, **self.kind.options}),
            )  # fmt: skip
            shutil.copyfile(f"{folder}/model.npz", self.model)

    def add_noise(self) -> None:
        """Make weights with which not everything is equally likely."""
        random = np.random.default_rng(self.kind.seed)
        with np.load(self.model) as file:
            arrays = dict(file)
        for name, array in arrays.items():
            if array.dtype == np.float32:
                scale = 0.2 if len(array) == 1 else 0.3
                array += random.normal(scale=scale, size=array.shape).astype(np.float32)
                if "_scale" in name:  # or else every token would be followed by itself
                    array *= random.choice([-1, 1], size=array.shape).astype(np.float32)
        self.choose_tokens(arrays)
        np.savez(self.model, **arrays)

    def choose_tokens(self, arrays: dict[str, Any]) -> None:
        """Which tokens come: the end at times, no unknown ones, and no bytes, which would be no
        UTF-8."""
        ids = self.ids(1)
        if "decoder_ff_logit_out_b" not in arrays:
            arrays["decoder_ff_logit_out_Wt"][int(ids["</s>"])] *= 1 + self.kind.ending
            return
        bias = arrays["decoder_ff_logit_out_b"][0]
        for token, number in ids.items():
            if token == "<unk>" or token.startswith("<0x"):
                bias[int(number)] -= 30
        bias[int(ids["</s>"])] += self.kind.ending

    def decode(self, lines: list[str]) -> list[tuple[list[int], list[float]]]:
        """Greedy tokens and their log-probabilities, by Marian, one sentence at a time."""
        vocabularies = map(str, self.vocabularies)
        output = run(
            "decode", "--models", str(self.model), "--vocabs", *vocabularies, "--cpu-threads", "1",
            "--workspace", "64", "--beam-size", "1", "--n-best", "--word-scores", "--allow-unk",
            "--max-length-factor", "50", "--mini-batch", "1", "--maxi-batch", "1", "--quiet",
            *([] if self.kind.listed else ["--no-spm-decode"]),
            text="\n".join(map(self.text_for_marian, lines)) + "\n",
        )  # fmt: skip
        ids, found = self.ids(1), []
        for line in output.splitlines():
            _, pieces, scores, *_ = line.split(" ||| ")
            tokens = [int(ids[piece]) for piece in pieces.split()]
            log_probs = [float(score) for score in scores.removeprefix("WordScores= ").split()]
            if len(log_probs) > len(tokens):
                tokens.append(int(ids["</s>"]))
            assert len(log_probs) == len(tokens)
            found.append((tokens[:LONGEST], log_probs[:LONGEST]))
        assert len(found) == len(lines)
        return found

    def names(self) -> list[list[str]]:
        """Tokens of both sides by their ids."""
        return [sorted(self.ids(side), key=lambda t: int(self.ids(side)[t])) for side in (0, 1)]

    def write_lists(self, folder: str) -> list[str]:
        """Both vocabularies as lists."""
        files = [f"{folder}/{side}.yml" for side in range(2)]
        for file, tokens in zip(files, self.names(), strict=True):
            lines_of = (
                f"{json.dumps(token, ensure_ascii=False)}: {number}\n"
                for number, token in enumerate(tokens)
            )
            Path(file).write_text("".join(lines_of), encoding="utf-8")
        return files

    def score(self, lines: list[str], targets: list[list[int]]) -> list[list[float]]:
        """Log-probabilities of given tokens, by Marian's scorer."""
        source, target = self.names()
        with tempfile.TemporaryDirectory() as folder:
            ids = [self.encode(line)[:-1] for line in lines]
            for side, names, rows in ((0, source, ids), (1, target, targets)):
                text = "".join(f"{' '.join(names[i] for i in row if i)}\n" for row in rows)
                Path(f"{folder}/{side}.txt").write_text(text, encoding="utf-8")
            output = run(
                "score", "--model", str(self.model), "--vocabs", *self.write_lists(folder),
                "--train-sets", f"{folder}/0.txt", f"{folder}/1.txt", "--word-scores",
                "--cpu-threads", "1", "--workspace", "64", "--quiet",
            )  # fmt: skip
        rows = [line.split("WordScores= ")[1].split() for line in output.splitlines()]
        return [
            [float(score) for score in row[: len(tokens)]]
            for row, tokens in zip(rows, targets, strict=True)
        ]

    def greedy(self, lines: list[str], beams: list[dict]) -> list[tuple[list[int], list[float]]]:
        """decode(), or where its norms differ from training's, what the docstring above says."""
        if not self.kind.options.get("transformer-preprocess") or not beams:
            return self.decode(lines)
        found = [results[0]["tokens"] for results in beams[0]["results"]]
        found = [tokens if len(tokens) == LONGEST else [*tokens, 0] for tokens in found]
        return list(zip(found, self.score(lines, found), strict=True))

    def decoded(self, tokens: list[int]) -> str:
        names = {int(number): token for token, number in self.ids(1).items()}
        pieces = [names[token] for token in tokens if names[token] not in ("</s>", "<unk>")]
        if self.kind.listed:  # as OPUS-MT's postprocess.sh
            return "".join(pieces).replace("▁", " ").removeprefix(" ")
        return self.splitters[1].decode(pieces)

    def beams(self, lines: list[str]) -> list[dict]:
        """Of CTranslate2, which has no SSRU."""
        if "transformer-decoder-autoreg" in self.kind.options:
            return []
        names = self.names()
        with tempfile.TemporaryDirectory() as folder:
            files = self.write_lists(folder)
            arrays = dict(np.load(self.model))
            options = arrays["special:model.yml"].tobytes().rstrip(b"\0") + b"\0"
            arrays["special:model.yml"] = np.frombuffer(options, np.int8)  # it expects one zero
            np.savez(f"{folder}/model.npz", **arrays)
            converted = Converter(f"{folder}/model.npz", files).convert(f"{folder}/m")
            translator = ctranslate2.Translator(converted, compute_type="float32", intra_threads=1)
            return [
                {
                    "options": options,
                    "results": [
                        search(translator, names, self.encode(line), options) for line in lines
                    ],
                }
                for options in SEARCHES
            ]


class Converter(marian.MarianConverter):
    """With Marian's epsilon."""

    def _load(self) -> Any:
        spec = super()._load()
        spec.config.layer_norm_epsilon = 1e-6
        return spec


def positions(width: int, count: int = 2048) -> np.ndarray:
    """SinusoidalPositionEmbeddings in Marian's src/tensors/cpu/tensor_operators.cpp."""
    half = width // 2
    table = np.zeros((count, width), np.float32)
    for place in range(count):
        for column in range(width):
            angle = place * np.exp((column % half) * -np.log(10000.0) / (half - 1))
            table[place, column] = np.sin(angle) if column < half else np.cos(angle)
    return table


marian._make_sinusoidal_position_encodings = positions
marian._SUPPORTED_ACTIVATIONS["gelu"] = common_spec.Activation.GELU


def search(translator: Any, names: list, source: list[int], options: dict) -> list[dict]:
    (result,) = translator.translate_batch(
        [[names[0][number] for number in source[:-1]]],  # it adds the end token itself
        return_scores=True,
        **{"max_decoding_length": LONGEST, **options},
    )
    return [
        {"tokens": [names[1].index(token) for token in tokens], "score": round(score, 6)}
        for tokens, score in zip(result.hypotheses, result.scores, strict=True)
    ]


def make(maker: Maker, sides: list[list[str]], lines: list[str]) -> None:
    sys.stdout.write(f"{maker.path.name}\n")
    shutil.rmtree(maker.path, ignore_errors=True)
    maker.path.mkdir(parents=True)
    maker.train_vocabularies(sides)
    maker.train(sides)
    sentences = [lines[number] for number in SENTENCES]
    maker.add_noise()
    if maker.kind.decoder is not None:
        names = {"models": ["model.npz"], "vocabs": [one.name for one in maker.vocabularies]}
        text = yaml.safe_dump({**names, "beam-size": 6, "normalize": 1, "relative-paths": True})
        (maker.path / maker.kind.decoder).write_text(text)
    beams = maker.beams(sentences)
    found = maker.greedy(sentences, beams)
    golden = {
        "lines": [maker.encode(line) for line in lines],
        "sentences": [
            {
                "text": line,
                "pair": [None, None],
                "source_ids": maker.encode(line),
                "tokens": tokens,
                "log_probs": log_probs,
                "decoded": maker.decoded(tokens),
            }
            for line, (tokens, log_probs) in zip(sentences, found, strict=True)
        ],
        "ctranslate2": beams,
    }
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (maker.path / "golden.json").write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


def arguments(options: dict[str, Any]) -> list[str]:
    found = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [] if value is True else [str(value)]
        found += [f"--{name}", *values]
    return found


def run(*command: str, text: str = "") -> str:
    """One of Marian's programs, in a process of its own."""
    program = "import sys, _pymarian; sys.exit(_pymarian.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *command], input=text, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
