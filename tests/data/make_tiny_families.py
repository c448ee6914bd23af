"""Make tests/data/families: a small random model of each Hugging Face family, with tokenizer files
in the shape in which checkpoints are published, and what transformers and CTranslate2 make of it.

    python make_tiny_families.py PAIRS.tsv text families [NAME …]
    python make_tiny_families.py --goldens text families [NAME …]

The second keeps the models that are there and makes their goldens afresh.

Needs torch==2.13.0, transformers 5.23, ctranslate2 4.8.5, tokenizers and sentencepiece 0.2.3.
PAIRS.tsv: some thousands of lines of French and English, with a tab in between (Tatoeba, CC BY 2.0
FR), on which vocabularies are trained. text: the folder beside this file, whose lines are encoded.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece
import torch
import transformers
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB

T5_SPEC = ctranslate2.converters.transformers.T5Loader.get_model_spec
LONGEST = 24
LINES = 60
SENTENCES = (0, 3, 7, 12, 19, 33)
OTHERS = (
    "Straßen, Füße und 10 000 € — schön!",
    "我们明天去北京,好吗?",
    "مرحبا بالعالم، كيف حالك؟",
    "Bună ziua! Ce mai faceți?",
    "हम कल मिलेंगे।",
    "  Deux   espaces , et une fin  ",
    "ﬁn ½ Ⅳ ™ e\u0301té",
)
# Right behind a prefix, CTranslate2 puts token 0 in the place of an end token that is not the best.
SEARCHES = (
    {"beam_size": 1},
    {"beam_size": 4, "num_hypotheses": 4, "min_decoding_length": 2},
    {"beam_size": 3, "num_hypotheses": 3, "length_penalty": 0.0, "min_decoding_length": 2},
    {"beam_size": 4, "num_hypotheses": 2, "min_decoding_length": 8},
)
SIZES = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
    "max_position_embeddings": 80, "init_std": 0.3,
}  # fmt: skip
T5_SIZES = {
    "d_model": 16, "d_kv": 6, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 3,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12,
    "decoder_start_token_id": 0,
}  # fmt: skip


@dataclass
class Family:
    """How to make one."""

    vocabulary: Callable[[Path, list[str]], None]
    tokenizer: str
    model: str
    config: dict[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ((None, None),)
    """The model's own codes of source and target language, for one sentence after the other."""
    kept: tuple[str, ...] = ()
    """Of the tokenizer's files; what it was made from when empty."""
    settings: dict[str, Any] = field(default_factory=dict)
    """tokenizer_config.json, where files are kept."""
    prompt: str = ""
    publish: Callable[[dict[str, Any]], None] = lambda config: None
    """What published files say in config.json."""


def spm(name: str, size: int, **options: Any) -> Callable[[Path, list[str]], None]:
    def train(directory: Path, lines: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines), model_prefix=f"{folder}/m", vocab_size=size,
                character_coverage=0.9995, minloglevel=2, hard_vocab_limit=False,
                **{"normalization_rule_name": "identity", **options},
            )  # fmt: skip
            shutil.copyfile(f"{folder}/m.model", directory / name)

    return train


FAIRSEQ = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
GOOGLE = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}


def m2m(directory: Path, lines: list[str]) -> None:
    spm("sentencepiece.bpe.model", 150, model_type="bpe", **FAIRSEQ)(directory, lines)
    pieces = _pieces(directory / "sentencepiece.bpe.model")[3:]
    # fairseq's dictionary is another one: in another order, and some pieces are not in it.
    names = ["<s>", "<pad>", "</s>", "<unk>", *reversed(pieces[:-5])]
    _write(directory / "vocab.json", {name: number for number, name in enumerate(names)})


def byte_bpe(directory: Path, lines: list[str]) -> None:
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(lines, 350, special_tokens=special, show_progress=False)
    tokenizer.save_model(str(directory))


def madlad(directory: Path, lines: list[str]) -> None:
    marks = ["<2en>", "<2fr>", "<2zh_Hant>", "<2fil>"]
    options = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, "control_symbols": marks}
    spm("spiece.model", 160, **options)(directory, lines)


def tasks(config: dict[str, Any]) -> None:
    config["task_specific_params"] = {
        "summarization": {"prefix": "summarize: "},
        "translation_en_to_fr": {"prefix": "translate English to French: "},
    }


def published(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update(fields)


def nllb(directory: Path, lines: list[str]) -> None:
    """tokenizer.json with the languages behind the pieces, and <mask> behind them."""
    spm("sentencepiece.bpe.model", 170, model_type="bpe", **FAIRSEQ)(directory, lines)
    plain = transformers.NllbTokenizer.from_pretrained(directory).backend_tokenizer
    content = json.loads(plain.to_str())
    kept = ("<s>", "<pad>", "</s>", "<unk>")
    content["added_tokens"] = [one for one in content["added_tokens"] if one["content"] in kept]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens([*NLLB, "<mask>"])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": NLLB}
    _write(directory / "tokenizer_config.json", settings)


MANY = (("fra_Latn", "eng_Latn"), ("eng_Latn", "fra_Latn"), ("fra_Latn", "zho_Hant"))
SHORT = (("fr", "en"), ("en", "fr"), ("fr", "zh"))
MBART_FIELDS = published(
    normalize_before=True, add_final_layer_norm=True, normalize_embedding=True,
    static_position_embeddings=False, add_bias_logits=False, extra_pos_embeddings=2,
)  # fmt: skip
MBART = (("fr_XX", "en_XX"), ("en_XX", "fr_XX"), ("fr_XX", "zh_CN"))
FAMILIES = {
    "m2m100": Family(
        m2m, "M2M100Tokenizer", "M2M100", {"activation_function": "relu", "scale_embedding": True},
        SHORT, settings={"tokenizer_class": "M2M100Tokenizer"},
    ),
    "nllb": Family(
        nllb, "NllbTokenizer", "M2M100", {"activation_function": "relu", "scale_embedding": True},
        MANY, kept=("sentencepiece.bpe.model",),
    ),
    "mbart": Family(
        spm("sentencepiece.bpe.model", 150, normalization_rule_name="nmt_nfkc", **FAIRSEQ),
        "MBartTokenizer", "MBart",
        {"activation_function": "gelu", "scale_embedding": True, "decoder_start_token_id": "en_XX"},
        (("fr_XX", None),), settings={"tokenizer_class": "MBartTokenizer"},
        publish=MBART_FIELDS,
    ),
    "mbart50": Family(
        spm("sentencepiece.bpe.model", 150, **FAIRSEQ), "MBart50Tokenizer", "MBart",
        {"activation_function": "relu", "scale_embedding": True, "decoder_start_token_id": 2},
        MBART, settings={"tokenizer_class": "MBart50Tokenizer"},
        publish=MBART_FIELDS,
    ),
    "bart": Family(
        byte_bpe, "BartTokenizer", "Bart",
        {"activation_function": "gelu", "forced_bos_token_id": 0, "forced_eos_token_id": None},
        settings={"tokenizer_class": "BartTokenizer"},
        publish=published(normalize_before=False, add_final_layer_norm=False,
                          normalize_embedding=True, add_bias_logits=False, forced_bos_token_id=0),
    ),
    "pegasus": Family(
        spm("spiece.model", 160, **GOOGLE), "PegasusTokenizer", "Pegasus",
        {"activation_function": "gelu_new", "scale_embedding": True, "forced_eos_token_id": None},
        settings={"tokenizer_class": "PegasusTokenizer"},
        publish=published(normalize_before=True, add_final_layer_norm=True,
                          normalize_embedding=False, static_position_embeddings=True,
                          add_bias_logits=False, extra_pos_embeddings=1),
    ),
    "t5": Family(
        spm("spiece.model", 180, **GOOGLE), "T5Tokenizer", "T5", {"feed_forward_proj": "relu"},
        settings={"tokenizer_class": "T5Tokenizer", "extra_ids": 100},
        prompt="translate English to French: ", publish=tasks,
    ),
    "flan-t5": Family(
        spm("spiece.model", 180, **GOOGLE), "T5Tokenizer", "T5",
        {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        kept=("tokenizer.json", "tokenizer_config.json"),
        prompt="translate English to French: ", publish=tasks,
    ),
    "mt5": Family(
        spm("spiece.model", 180, **GOOGLE), "T5Tokenizer", "MT5",
        {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        settings={"tokenizer_class": "T5Tokenizer", "extra_ids": 0},
    ),
    "madlad": Family(
        madlad, "T5Tokenizer", "T5",
        {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "eos_token_id": 2,
         "pad_token_id": 1},
        ((None, "fr"), (None, "en"), (None, "zh_Hant")),
        settings={"tokenizer_class": "T5Tokenizer", "extra_ids": 0},
    ),
}  # fmt: skip


def main(pairs: str, text: Path, destination: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    lines = [*lines_of(text), *OTHERS]
    if pairs == "--goldens":
        for name in names or FAMILIES:
            sys.stdout.write(f"{name}\n")
            remake(FAMILIES[name], lines, destination / name)
        return
    rows = [line.split("\t")[:2] for line in Path(pairs).read_text("utf-8").splitlines()]
    training = [side for row in rows[:4000] for side in row] + list(OTHERS)
    _write(destination.with_name("families-lines.json"), OTHERS)
    for name in names or FAMILIES:
        sys.stdout.write(f"{name}\n")
        make(FAMILIES[name], training, lines, destination / name)


def lines_of(text: Path) -> list[str]:
    texts = [(text / f"tatoeba.{side}").read_text(encoding="utf-8") for side in ("fr", "en")]
    return [line for one in texts for line in one.splitlines()[:LINES]]


def make(family: Family, training: list[str], lines: list[str], path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    family.vocabulary(path, training)
    tokenizer = getattr(transformers, family.tokenizer).from_pretrained(path, **_extra(family))
    model = make_model(family, tokenizer, lines).eval()
    write(family, tokenizer, model, path)
    write_golden(family, tokenizer, model, lines, path)


def remake(family: Family, lines: list[str], path: Path) -> None:
    tokenizer = getattr(transformers, family.tokenizer).from_pretrained(path, **_extra(family))
    kind = getattr(transformers, f"{family.model}ForConditionalGeneration")
    write_golden(family, tokenizer, kind.from_pretrained(path).eval(), lines, path)


def write_golden(family: Family, tokenizer: Any, model: Any, lines: list[str], path: Path) -> None:
    sentences = [lines[number] for number in SENTENCES]
    golden = {
        "lines": encode_lines(family, tokenizer, lines, path),
        "sentences": [
            golden_of(family, tokenizer, model, *one) for one in _paired(family, sentences)
        ],
        "ctranslate2": beams(family, tokenizer, path, _paired(family, sentences)),
    }
    _write(path / "golden.json", golden)


def _paired(family: Family, sentences: list[str]) -> list[tuple[str, tuple]]:
    return [(one, family.pairs[i % len(family.pairs)]) for i, one in enumerate(sentences)]


def _extra(family: Family) -> dict[str, Any]:
    return {"extra_ids": family.settings["extra_ids"]} if "extra_ids" in family.settings else {}


def encode(family: Family, tokenizer: Any, line: str, pair: tuple) -> list[int]:
    source, target = pair
    if source is not None:
        tokenizer.src_lang = source
    if family is FAMILIES["madlad"]:
        space = tokenizer.convert_tokens_to_ids("▁")
        mark = tokenizer.convert_tokens_to_ids(f"<2{target}>")
        return [space, mark, *tokenizer(line)["input_ids"]]
    return tokenizer(family.prompt + line)["input_ids"]


def encode_lines(family: Family, tokenizer: Any, lines: list[str], path: Path) -> list[list[int]]:
    """What transformers makes of them, or what its older tokenizers made, which called
    SentencePiece: newer ones leave out its character map (mBART), keep a space at the end, or take
    another token for the unknown one (MADLAD)."""
    found = [encode(family, tokenizer, line, family.pairs[0]) for line in lines]
    (pieces,) = [*path.glob("*.model"), None][:1]
    if pieces is None or family.tokenizer in ("M2M100Tokenizer", "NllbTokenizer"):
        return found
    model = sentencepiece.SentencePieceProcessor(str(pieces))
    frame = encode(family, tokenizer, "", family.pairs[0])
    end = frame.index(tokenizer.eos_token_id)
    unknown = model.unk_id() if family is FAMILIES["madlad"] else tokenizer.unk_token_id
    exact = []
    for line in lines:
        names = model.encode(line, out_type=str)
        known = [tokenizer.get_vocab().get(name, unknown) for name in names]
        exact.append([*frame[:end], *known, *frame[end:]])
    equal = sum(ours == theirs for ours, theirs in zip(found, exact, strict=True))
    sys.stdout.write(f"transformers' ids are SentencePiece's: {equal} of {len(lines)}\n")
    return exact


def forced(family: Family, tokenizer: Any, target: str | None) -> int | None:
    if family is FAMILIES["madlad"] or target is None:
        return family.config.get("forced_bos_token_id")
    if family.tokenizer == "M2M100Tokenizer":
        return tokenizer.get_lang_id(target)
    return tokenizer.convert_tokens_to_ids(target)


def make_model(family: Family, tokenizer: Any, lines: list[str]) -> Any:
    torch.manual_seed(5)
    size = _vocabulary_size(family, tokenizer)
    sizes = T5_SIZES if "T5" in family.model else SIZES
    config = {**sizes, "vocab_size": size, **family.config}
    if isinstance(config.get("decoder_start_token_id"), str):
        config["decoder_start_token_id"] = tokenizer.convert_tokens_to_ids(
            config["decoder_start_token_id"]
        )
    configuration = getattr(transformers, f"{family.model}Config")(**config)
    model = getattr(transformers, f"{family.model}ForConditionalGeneration")(configuration)
    own_head = family.config.get("tie_word_embeddings") is False
    if own_head:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(size, 16) * 0.3)
    with torch.no_grad():
        for name, weights in model.named_parameters():  # biases too, or mistakes in them hide
            scale = 0.15 if "T5" in family.model else 0.3  # T5's attention is not scaled
            weights.add_(torch.randn_like(weights) * (0.1 if weights.dim() == 1 else scale))
            if "shared" in name:
                weights.mul_(0.5)  # or else every token would be followed by itself
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias) * 0.5)
        make_it_end(family, tokenizer, model, lines)
    return model


def make_it_end(family: Family, tokenizer: Any, model: Any, lines: list[str]) -> None:
    """Turn the end token's weights towards what the decoder puts out, so that sentences end."""
    ids = torch.tensor([encode(family, tokenizer, lines[0], family.pairs[0])])
    start = torch.tensor([[model.config.decoder_start_token_id, *range(20, 40)]])
    hidden = model(ids, decoder_input_ids=start, output_hidden_states=True).decoder_hidden_states
    mean = hidden[-1][0].mean(dim=0)
    end, head = model.config.eos_token_id, model.lm_head.weight
    plain = head[end].clone()

    def ending(strength: float) -> int:
        """How many sentences end of themselves, and not at once."""
        head[end] = plain + strength * mean / mean.square().sum()
        sources = _paired(family, [lines[number] for number in SENTENCES])
        found = [golden_of(family, tokenizer, model.eval(), *one)["tokens"] for one in sources]
        return sum(3 < len(tokens) < LONGEST for tokens in found)

    strengths = [0.5 * step for step in range(-2, 8)]
    best = max(strengths, key=ending)
    sys.stdout.write(f"sentences that end: {ending(best)} of {len(SENTENCES)}\n")


def _vocabulary_size(family: Family, tokenizer: Any) -> int:
    if family.model == "M2M100" and family.tokenizer == "M2M100Tokenizer":
        return len(tokenizer.encoder) + len(tokenizer.lang_code_to_id) + tokenizer.num_madeup_words
    # As published T5 models, whose tables are larger than their vocabularies.
    return len(tokenizer) + (7 if "T5" in family.model else 0)


def write(family: Family, tokenizer: Any, model: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for name in ("config.json", "model.safetensors", *family.kept):
            if (Path(folder) / name).is_file():
                shutil.copyfile(f"{folder}/{name}", path / name)
        if (Path(folder) / "generation_config.json").is_file():
            shutil.copyfile(f"{folder}/generation_config.json", path / "generation_config.json")
    config = json.loads((path / "config.json").read_text())
    if family.config.get("tie_word_embeddings") is False:
        config["tie_word_embeddings"] = False  # as published; transformers 5 calls it tied
    family.publish(config)
    _write(path / "config.json", config)
    if not family.kept:
        _write(path / "tokenizer_config.json", family.settings)
    elif "spiece.model" not in family.kept:
        (path / "spiece.model").unlink(missing_ok=True)


@torch.no_grad()
def golden_of(family: Family, tokenizer: Any, model: Any, line: str, pair: tuple) -> dict:
    source = encode(family, tokenizer, line, pair)
    output = model.generate(
        torch.tensor([source]), num_beams=1, do_sample=False, min_new_tokens=0,
        max_new_tokens=LONGEST, forced_eos_token_id=None, output_logits=True,
        forced_bos_token_id=forced(family, tokenizer, pair[1]), return_dict_in_generate=True,
    )  # fmt: skip
    tokens = output.sequences[0, 1:].tolist()
    log_probs = torch.cat(output.logits).log_softmax(-1)
    chosen = log_probs[range(len(tokens)), tokens].tolist()
    return {
        "text": line,
        "pair": pair,
        "source_ids": source,
        "tokens": tokens,
        "log_probs": [round(value, 6) for value in chosen],
        "decoded": decoded(family, tokenizer, tokens, forced(family, tokenizer, pair[1])),
    }


def decoded(family: Family, tokenizer: Any, tokens: list[int], first: int | None) -> str:
    tokens = tokens[first is not None :]
    if family.tokenizer == "M2M100Tokenizer":  # which would write __fr__
        tokens = [token for token in tokens if token < len(tokenizer.encoder)]
    return tokenizer.decode(tokens, skip_special_tokens=True)


def beams(family: Family, tokenizer: Any, path: Path, sentences: list) -> list[dict]:
    size = json.loads((path / "config.json").read_text())["vocab_size"]
    known = {number: name for name, number in tokenizer.get_vocab().items()}
    names = [known.get(number, f"madeupword{number}") for number in range(size)]
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "full"
        shutil.copytree(path, full)
        tokenizer.save_pretrained(full)
        _patch_vocabulary(names, family.config.get("tie_word_embeddings") is not False)
        converted = ctranslate2.converters.TransformersConverter(str(full)).convert(f"{folder}/m")
        # What the converter asks of tokenizers that newer versions of transformers do not say.
        config = json.loads((Path(converted) / "config.json").read_text())
        if family.tokenizer == "MBart50Tokenizer":
            config |= {"bos_token": "<s>", "decoder_start_token": "</s>"}
        if family is FAMILIES["madlad"]:
            config |= {"decoder_start_token": names[0], "unk_token": names[0]}
        _write(Path(converted) / "config.json", config)
        translator = ctranslate2.Translator(converted, compute_type="float32", intra_threads=1)
        return [
            {
                "options": options,
                "results": search(family, tokenizer, translator, names, sentences, options),
            }
            for options in SEARCHES
        ]


def _patch_vocabulary(names: list[str], scaled: bool) -> None:
    """Tiny vocabularies are not what the converter's loaders expect; they get all names by id."""
    from ctranslate2.converters import transformers as loaders

    for loader in loaders._MODEL_LOADERS.values():
        type(loader).get_vocabulary = lambda self, model, tokenizer: list(names)

    def get_model_spec(self: Any, model: Any) -> Any:
        # It takes this field for whether outputs are scaled; transformers 5 always says True.
        model.config.tie_word_embeddings = scaled
        return T5_SPEC(self, model)

    loaders.T5Loader.get_model_spec = get_model_spec


def search(
    family: Family,
    tokenizer: Any,
    translator: Any,
    names: list[str],
    sentences: list,
    options: dict,
) -> list[list[dict]]:
    found = []
    for line, pair in sentences:
        prefix = forced(family, tokenizer, pair[1])
        starts = (
            family is FAMILIES["mbart"]
        )  # the prefix's first token is what the decoder begins with
        if starts:
            prefix = tokenizer.convert_tokens_to_ids(family.config["decoder_start_token_id"])
        (result,) = translator.translate_batch(
            [[names[number] for number in encode(family, tokenizer, line, pair)]],
            target_prefix=None if prefix is None else [[names[prefix]]],
            return_scores=True,
            **{"max_decoding_length": LONGEST, **options},
        )
        found.append(
            [
                {
                    "tokens": [names.index(token) for token in tokens],
                    "score": round(score, 6),
                }
                for tokens, score in zip(result.hypotheses, result.scores, strict=True)
            ]
        )
    return found


def _pieces(path: Path) -> list[str]:
    model = sentencepiece.SentencePieceProcessor(str(path))
    return [model.id_to_piece(index) for index in range(len(model))]


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
