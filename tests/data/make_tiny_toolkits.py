"""Make tests/data/toolkits: small random models of OpenNMT-py, Eole and fairseq in these toolkits'
own files, and what they and CTranslate2 make of them.

    python make_tiny_toolkits.py text families toolkits [NAME …]

Needs torch==2.13.0, OpenNMT-py==3.5.1, eole==0.6.4, fairseq==0.12.2 (the folder of its source
archive in PYTHONPATH), omegaconf==2.1.2, hydra-core==1.1.2, ctranslate2==4.8.5, pyonmttok,
sentencepiece; the three toolkits installed without their dependencies. What they import for other
purposes is stood in for. text, families: the folders beside this file, whose lines and
SentencePiece models are taken.
"""

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import ctranslate2
import omegaconf  # noqa: F401
import safetensors.torch
import sentencepiece
import torch
import torch._dynamo

UNUSED = (
    "ahocorasick", "datasets", "fasttext", "flask", "pandas", "rapidfuzz", "spacy", "subword_nmt",
    "tensorboard", "torch_optimi", "torchcodec", "uvicorn", "waitress",
)  # fmt: skip
for unused in UNUSED:
    sys.modules[unused] = MagicMock(name=unused, __spec__=None, __path__=[])

LONGEST = 24
LINES = 60
SENTENCES = (0, 3, 7, 12, 19, 33)
OTHERS = (
    "Straßen, Füße und 10 000 € — schön!",
    "我们明天去北京,好吗?",
    "  Deux   espaces , et une fin  ",
    "ﬁn ½ Ⅳ ™ e\u0301té",
)
SEARCHES = (
    {"beam_size": 1},
    {"beam_size": 4, "num_hypotheses": 4, "min_decoding_length": 2},
    {"beam_size": 3, "num_hypotheses": 3, "length_penalty": 0.0, "min_decoding_length": 2},
    {"beam_size": 4, "num_hypotheses": 2, "min_decoding_length": 8},
)
SPECIAL = ("<unk>", "<blank>", "<s>", "</s>")
POSITIONS = 60
"""Kept of the tables of 5,000 sinusoids that checkpoints hold."""


class Model:
    """A toolkit's model, its vocabularies, and how to run it."""

    network: torch.nn.Module
    source: list[str]
    """Tokens by their ids."""
    target: list[str]
    start = "<s>"
    end = "</s>"
    unknown = "<unk>"
    appended: tuple[str, ...] = ()
    """What the source ends with."""
    converts = True
    """Whether CTranslate2 does."""

    def __init__(self, pieces: tuple[sentencepiece.SentencePieceProcessor, ...]) -> None:
        self.pieces = pieces

    def encode(self, line: str) -> list[int]:
        known = {token: number for number, token in enumerate(self.source)}
        names = [*self.pieces[0].encode(line, out_type=str), *self.appended]
        return [known.get(name, known[self.unknown]) for name in names]

    def decode(self, ids: list[int]) -> str:
        special = (self.start, self.end, self.unknown, "<blank>", "<pad>")
        names = [self.target[number] for number in ids]
        return self.pieces[1].decode([name for name in names if name not in special])

    def hidden(self, source: list[int], target: list[int]) -> torch.Tensor:
        """The decoder's output, [target, d]. target: begins with the start token."""
        raise NotImplementedError

    def head(self) -> torch.nn.Linear:
        raise NotImplementedError

    def save(self, path: Path) -> None:
        raise NotImplementedError

    def convert(self, path: Path, folder: str) -> str:
        """CTranslate2's model of the files."""
        raise NotImplementedError

    def shorten(self, path: Path) -> None:
        """Keep no more of the tables of sinusoids in a file than is needed."""

    def lists(self) -> tuple[list[str], list[str]]:
        """Vocabularies as CTranslate2 has them."""
        return self.source, self.target


@torch.no_grad()
def randomise(model: Model, lines: list[str]) -> None:
    """Draw weights until half of the sentences end of themselves."""
    model.network.eval()
    for seed in range(40):
        torch.manual_seed(seed)
        for name, weights in model.network.named_parameters():
            plain = weights.dim() == 1
            if plain and name.endswith("weight"):
                weights.copy_(1 + torch.randn_like(weights) * 0.1)
            else:
                weights.copy_(torch.randn_like(weights) * (0.1 if plain else 0.35))
            if "emb" in name:
                weights.mul_(0.4)  # or else every token would be followed by itself
        if make_it_end(model, lines) >= len(SENTENCES) / 2:
            return


def make_it_end(model: Model, lines: list[str]) -> int:
    """Turn the end token's weights towards what the decoder puts out, so that sentences end.

    Returns how many do."""
    ids, start = model.encode(lines[0]), model.target.index(model.start)
    mean = model.hidden(ids, [start, *range(20, 40)]).mean(dim=0)
    row, head = model.target.index(model.end), model.head().weight
    plain = head[row].clone()

    def ending(strength: float) -> int:
        head[row] = plain + strength * mean / mean.square().sum()
        found = [greedy(model, model.encode(lines[number]))[0] for number in SENTENCES]
        return len({tuple(one) for one in found if len(set(one)) > 3 and len(one) < LONGEST})

    best = max((1, 2, 3, 4), key=ending)
    return ending(best)


@torch.no_grad()
def greedy(model: Model, source: list[int]) -> tuple[list[int], list[float]]:
    """Tokens with the end token, and their log-probabilities."""
    tokens, log_probs = [model.target.index(model.start)], []
    for _ in range(LONGEST):
        last = model.head()(model.hidden(source, tokens))[-1].log_softmax(-1)
        tokens.append(int(last.argmax()))
        log_probs.append(round(float(last.max()), 6))
        if model.target[tokens[-1]] == model.end:
            break
    return tokens[1:], log_probs


def listed(model: sentencepiece.SentencePieceProcessor, *special: str, drop: int = 4) -> list[str]:
    """A toolkit's list: in another order than SentencePiece's, and some pieces are not in it."""
    pieces = [model.id_to_piece(number) for number in range(len(model))]
    pieces = [piece for piece in pieces if piece not in ("<unk>", "<s>", "</s>", "<pad>")]
    return [*special, *reversed(pieces[:-drop])]


class OpenNmtPy(Model):
    """What train.py and its model saver make of these options."""

    def __init__(self, pieces: tuple, arguments: str, shared: bool, apart: bool = False) -> None:
        super().__init__(pieces)
        import onmt.opts
        import pyonmttok
        from onmt.model_builder import build_base_model
        from onmt.utils.parse import ArgumentParser

        self.source = listed(pieces[0], *SPECIAL)
        self.target = self.source if shared else listed(pieces[1], *SPECIAL, drop=7)
        parser = ArgumentParser()
        onmt.opts.train_opts(parser)
        common = (
            "--src_vocab x --tgt_vocab y --save_model z --data {} --encoder_type transformer "
            "--decoder_type transformer --enc_layers 2 --dec_layers 2 --hidden_size 16 "
            "--word_vec_size 16 --heads 4 --transformer_ff 24 "
        )
        self.options, _ = parser.parse_known_args((common + arguments).split())
        self.options.data = {"corpus": {"transforms": ["sentencepiece", "filtertoolong"]}}
        self.options.save_format = "safetensors" if apart else "pytorch"
        ArgumentParser.update_model_opts(self.options)
        ArgumentParser.validate_model_opts(self.options)
        first = pyonmttok.build_vocab_from_tokens(self.source)
        second = first if shared else pyonmttok.build_vocab_from_tokens(self.target)
        self.lists_of_tokens = {
            "src": first, "tgt": second, "data_task": "seq2seq", "decoder_start_token": "<s>",
        }  # fmt: skip
        self.network = build_base_model(self.options, self.lists_of_tokens)
        self.converts = not apart

    def hidden(self, source: list[int], target: list[int]) -> torch.Tensor:
        length = torch.tensor([len(source)])
        ids = torch.tensor(source)[None, :, None]
        memory, state, length = self.network.encoder(ids, length)
        self.network.decoder.init_state(ids, memory, state)
        output, _ = self.network.decoder(
            torch.tensor(target)[None, :, None], memory, src_len=length, with_align=False
        )
        return output[0]

    def head(self) -> torch.nn.Linear:
        return self.network.generator

    def save(self, path: Path) -> None:
        from onmt.models.model_saver import ModelSaver
        from onmt.utils.optimizers import Optimizer

        optimizer = Optimizer.from_opt(self.network, self.options)
        base = str(path / "model")
        kind = self.options.save_format
        saver = ModelSaver(
            base, self.network, self.options, self.lists_of_tokens, optimizer, 1, kind, 0
        )
        for name, buffer in self.network.named_buffers():
            if name.endswith("pe.pe"):
                shorter = buffer[:POSITIONS].clone()
                self.network.get_submodule(name.removesuffix(".pe")).pe = shorter
        saver.save(1)

    def convert(self, path: Path, folder: str) -> str:
        torch.serialization.add_safe_globals([argparse.Namespace])
        file = str(path / "model_step_1.pt")
        return ctranslate2.converters.OpenNMTPyConverter(file).convert(f"{folder}/m")


class Eole(Model):
    """What eole train and its model saver make of this configuration."""

    def __init__(self, pieces: tuple, files: tuple[Path, ...], shared: bool, **model: Any) -> None:
        super().__init__(pieces)
        import pyonmttok
        from eole.config.run import TrainConfig
        from eole.models.model import get_model_class

        self.source = listed(pieces[0], *SPECIAL)
        self.target = self.source if shared else listed(pieces[1], *SPECIAL, drop=7)
        self.files = files
        self.configuration = TrainConfig(
            src_vocab="x", tgt_vocab="y", share_vocab=shared, data={},
            transforms=["sentencepiece", "filtertoolong"],
            transforms_configs={
                "sentencepiece": {
                    "src_subword_model": str(files[0]), "tgt_subword_model": str(files[-1]),
                },
            },
            model={
                "architecture": "transformer", "layers": 2, "hidden_size": 16, "heads": 4,
                "transformer_ff": 24, "share_embeddings": shared,
                "share_decoder_embeddings": shared, **model,
            },
            training={"model_path": tempfile.mkdtemp(), "save_format": "safetensors"},
        )  # fmt: skip
        first = pyonmttok.build_vocab_from_tokens(self.source)
        second = first if shared else pyonmttok.build_vocab_from_tokens(self.target)
        names = dict(
            zip(("unk_token", "pad_token", "bos_token", "eos_token"), SPECIAL, strict=True)
        )
        self.lists_of_tokens = {
            "src": first, "tgt": second, "decoder_start_token": "<s>", "specials": names,
        }  # fmt: skip
        kind = get_model_class(self.configuration.model)
        self.network = kind.build(self.configuration.model, self.lists_of_tokens, None)
        self.converts = model.get("layer_norm") is None

    def hidden(self, source: list[int], target: list[int]) -> torch.Tensor:
        # Without its cache, the decoder takes two tokens at least, and leaves out the last one.
        longer = torch.tensor([[*target, 0, 0]])
        output = self.network(torch.tensor([source]), longer, torch.tensor([len(source)]))
        return output.dec_out[0, : len(target)]

    def head(self) -> torch.nn.Linear:
        return self.network.generator

    def save(self, path: Path) -> None:
        from eole.models.model_saver import TrainingModelSaver

        class NoOptimizer:
            def state_dict(self) -> dict:
                return {}

        config = self.configuration.transforms_configs.sentencepiece
        files = {file: f"{file.parent.name}.model" for file in self.files}
        first, last = (f"${{MODEL_PATH}}/{files[self.files[place]]}" for place in (0, -1))

        class Copied:
            """What the saver asks of the transform sentencepiece."""

            def _save_artifacts(self, folder: str) -> tuple[Any, list[str]]:
                for file, name in files.items():
                    shutil.copyfile(file, Path(folder) / name)
                config.update(src_subword_model=first, tgt_subword_model=last)
                return config, list(files.values())

        saver = TrainingModelSaver(
            self.configuration.training.model_path, self.network, self.configuration,
            self.lists_of_tokens, NoOptimizer(), 1, "safetensors", 0,
            {"sentencepiece": Copied()},
        )  # fmt: skip
        saver.save(1)
        for file in Path(self.configuration.training.model_path, "step_1").iterdir():
            if file.name != "optimizer.pt":
                shutil.copyfile(file, path / file.name)

    def shorten(self, path: Path) -> None:
        file = path / "model.00.safetensors"
        tensors = safetensors.torch.load_file(file)
        for name, tensor in tensors.items():
            if name.endswith("pe.pe"):
                tensors[name] = tensor[:POSITIONS].clone()
        safetensors.torch.save_file(tensors, file)

    def convert(self, path: Path, folder: str) -> str:
        from ctranslate2.converters.eole_ct2 import EoleConverter

        whole = Path(shutil.copytree(path, f"{folder}/whole"))
        config = json.loads((whole / "config.json").read_text(encoding="utf-8"))
        # Or else add_qkvbias turns it on where the file is read, and it is never filled.
        config["model"]["encoder"].setdefault("add_final_linear_bias", False)
        _write(whole / "config.json", config)
        return EoleConverter(str(whole)).convert(f"{folder}/m")


class Fairseq(Model):
    """What fairseq-train and its trainer make of these arguments."""

    start, end, appended = "</s>", "</s>", ("</s>",)

    def __init__(
        self, pieces: tuple, arguments: str, shared: bool, old: bool, arch: str = "transformer"
    ) -> None:
        super().__init__(pieces)
        warnings.simplefilter("ignore")
        make_plain = dataclasses.dataclass

        def dataclass(found: Any = None, **options: Any) -> Any:
            """Python 3.11 refuses defaults without a hash."""
            made = {"unsafe_hash": True, **options}
            return make_plain(found, **made) if found else lambda one: make_plain(one, **made)

        dataclasses.dataclass = dataclass
        from fairseq import options, tasks
        from fairseq.dataclass.utils import convert_namespace_to_omegaconf
        from fairseq.trainer import Trainer  # noqa: F401

        dataclasses.dataclass = make_plain
        special = ("<s>", "<pad>", "</s>", "<unk>")
        self.source = listed(pieces[0], *special)
        self.target = self.source if shared else listed(pieces[1], *special, drop=7)
        self.folder, self.old = Path(tempfile.mkdtemp()), old
        for language, tokens in (("fr", self.source), ("en", self.target)):
            lines = "".join(f"{token} {9999 - place}\n" for place, token in enumerate(tokens[4:]))
            (self.folder / f"dict.{language}.txt").write_text(lines, encoding="utf-8")
        common = (
            f"{self.folder} --task translation --source-lang fr --target-lang en --arch {arch} "
            "--encoder-embed-dim 16 --encoder-ffn-embed-dim 24 --encoder-layers 2 "
            "--encoder-attention-heads 4 --decoder-embed-dim 16 --decoder-ffn-embed-dim 24 "
            "--decoder-layers 2 --decoder-attention-heads 4 --optimizer adam --lr 0.1 "
            "--criterion cross_entropy --max-tokens 100 --cpu "
        )
        parser = options.get_training_parser()
        self.arguments = options.parse_args_and_arch(parser, (common + arguments).split())
        self.configuration = convert_namespace_to_omegaconf(self.arguments)
        self.task = tasks.setup_task(self.configuration.task)
        self.network = self.task.build_model(self.configuration.model)

    def hidden(self, source: list[int], target: list[int]) -> torch.Tensor:
        memory = self.network.encoder(torch.tensor([source]), torch.tensor([len(source)]))
        output, _ = self.network.decoder(torch.tensor([target]), memory, features_only=True)
        return output[0]

    def head(self) -> torch.nn.Linear:
        return self.network.decoder.output_projection

    def save(self, path: Path) -> None:
        from fairseq.trainer import Trainer

        for file in self.folder.iterdir():
            shutil.copyfile(file, path / file.name)
        criterion = self.task.build_criterion(self.configuration.criterion)
        trainer = Trainer(self.configuration, self.task, self.network, criterion)
        self.configuration.checkpoint.no_save_optimizer_state = True
        content = trainer.state_dict()
        if self.old:
            content |= {"args": self.arguments, "cfg": None, "model": fused(content["model"])}
        new = not self.old
        torch.save(content, path / "checkpoint_best.pt", _use_new_zipfile_serialization=new)

    def convert(self, path: Path, folder: str) -> str:
        torch.serialization.add_safe_globals([argparse.Namespace])
        file = str(path / "checkpoint_best.pt")
        return ctranslate2.converters.FairseqConverter(file, str(path)).convert(f"{folder}/m")

    def lists(self) -> tuple[list[str], list[str]]:
        """Its converter gives the padding token another name."""
        both = [
            ["<blank>" if name == "<pad>" else name for name in one]
            for one in (self.source, self.target)
        ]
        return both[0], both[1]


def fused(weights: dict) -> dict:
    """Queries, keys and values of self-attention in one, as checkpoints before 2019 have them."""
    copies = {f"{part}_{kind}" for part in ("in_proj", "out_proj", "fc1", "fc2")
              for kind in ("weight", "bias")}  # fmt: skip
    found = {name: one for name, one in weights.items() if name.split(".")[-1] not in copies}
    for name in list(found):
        if ".self_attn.q_proj." in name:
            parts = [found.pop(name.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
            found[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    return found


def main(text: Path, families: Path, destination: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    lines = [
        line
        for side in ("fr", "en")
        for line in (text / f"tatoeba.{side}").read_text(encoding="utf-8").splitlines()[:LINES]
    ] + list(OTHERS)
    unigram, bpe = (
        sentencepiece.SentencePieceProcessor(str(families / one / "sentencepiece.bpe.model"))
        for one in ("mbart", "m2m100")
    )
    makers = {
        "opennmt-py": lambda: OpenNmtPy(
            (unigram, unigram),
            "--position_encoding --share_vocab --share_embeddings --share_decoder_embeddings "
            "--add_qkvbias --add_ffnbias --self_attn_type scaled-dot",
            shared=True,
        ),
        "opennmt-py-rms": lambda: OpenNmtPy(
            (unigram, bpe),
            "--position_encoding --position_encoding_type SinusoidalConcat --layer_norm rms "
            "--norm_eps 1e-5 --pos_ffn_activation_fn silu --num_kv 2",
            shared=False,
            apart=True,
        ),
    }
    files = tuple(families / one / "sentencepiece.bpe.model" for one in ("mbart50", "m2m100"))
    plain = sentencepiece.SentencePieceProcessor(str(files[0]))
    makers |= {
        "eole": lambda: Eole(
            (plain, plain), files[:1], shared=True, add_qkvbias=True, add_ffnbias=True,
            norm_eps=1e-6, share_decoder_embeddings=False,
            embeddings={"word_vec_size": 16, "position_encoding_type": "SinusoidalInterleaved"},
        ),
        "eole-learned": lambda: Eole(
            (plain, bpe), files, shared=False, layer_norm="rms", heads_kv=2, head_dim=6,
            mlp_activation_fn="gated-gelu", share_decoder_embeddings=True,
            embeddings={"word_vec_size": 16, "position_encoding_type": "Learned",
                        "n_positions": 64, "position_shift": 2, "normalize": True},
        ),
    }  # fmt: skip
    makers |= {
        "fairseq": lambda: Fairseq(
            (plain, plain), "--share-all-embeddings", shared=True, old=False
        ),
        "fairseq-prenorm": lambda: Fairseq(
            (plain, bpe),
            "--encoder-normalize-before --decoder-normalize-before --encoder-learned-pos "
            "--layernorm-embedding --activation-fn gelu --no-scale-embedding "
            "--max-source-positions 70 --max-target-positions 40",
            shared=False,
            old=True,
            arch="transformer_iwslt_de_en",
        ),
    }  # fmt: skip
    for name in names or makers:
        sys.stdout.write(f"{name}\n")
        make(makers[name](), lines, destination / name)


def make(model: Model, lines: list[str], path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    randomise(model, lines)
    sentences = [lines[number] for number in SENTENCES]
    golden = {
        "others": OTHERS,
        "lines": [model.encode(line) for line in lines],
        "sentences": [golden_of(model, line) for line in sentences],
    }
    model.save(path)
    golden["ctranslate2"] = beams(model, path, sentences) if model.converts else []
    model.shorten(path)
    _write(path / "golden.json", golden)


def golden_of(model: Model, line: str) -> dict:
    tokens, log_probs = greedy(model, model.encode(line))
    return {
        "text": line,
        "source_ids": model.encode(line),
        "tokens": tokens,
        "log_probs": log_probs,
        "decoded": model.decode(tokens),
    }


def beams(model: Model, path: Path, sentences: list[str]) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        converted = model.convert(path, folder)
        translator = ctranslate2.Translator(converted, compute_type="float32", intra_threads=1)
        return [
            {
                "options": options,
                "results": [search(model, translator, line, options) for line in sentences],
            }
            for options in SEARCHES
        ]


def search(model: Model, translator: Any, line: str, options: dict) -> list[dict]:
    source, target = model.lists()
    ids = model.encode(line)
    kept = ids[: len(ids) - len(model.appended)]  # CTranslate2 appends what it should itself
    (result,) = translator.translate_batch(
        [[source[number] for number in kept]],
        return_scores=True,
        **{"max_decoding_length": LONGEST, **options},
    )
    return [
        {"tokens": [target.index(token) for token in tokens], "score": round(score, 6)}
        for tokens, score in zip(result.hypotheses, result.scores, strict=True)
    ]


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
