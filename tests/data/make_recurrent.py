"""Make tests/data/recurrent/: small random recurrent models, and what their toolkits make of them.

    KERAS_BACKEND=tensorflow PYTHONPATH=../.. python make_recurrent.py recurrent [MODEL ...]

Needs keras 3.15, tensorflow 2.21, torch 2.13.0 and safetensors. Each model gets a few sources;
golden.json has the greedy translation that the toolkit's own layers give, computed for every step
from the whole prefix, as in training, and the log-probabilities of its tokens. Tokens that are
never generated have no share in these.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import torch
from keras import layers
from safetensors.torch import save_file
from torch import nn

from model_export.training.lstm_network import build_for_saving
from model_export.training.lstm_settings import LstmRecipe

LONGEST = 12
SOURCE, TARGET = 17, 19
PADDING, UNKNOWN, START, END = range(4)
CHARACTERS = ["\t", "\n", " ", *"abcdefghij"]
WORDS = [f"w{number}" for number in range(100)]


def tokens() -> tuple:
    return (
        keras.Input((None,), dtype="int32", name="source"),
        keras.Input((None,), dtype="int32", name="target"),
    )


def embedded(masked: bool = True) -> tuple:
    source, target = tokens()
    read = layers.Embedding(SOURCE, 6, mask_zero=masked)(source)
    return (source, target), read, layers.Embedding(TARGET, 5, mask_zero=masked)(target)


def output(x):
    return layers.Dense(TARGET, activation="softmax")(x)


def lstm():
    inputs, read, written = embedded()
    _, *state = layers.LSTM(8, return_state=True)(read)
    written, *_ = layers.LSTM(8, return_sequences=True, return_state=True)(
        written, initial_state=state
    )
    return keras.Model(list(inputs), output(written))


def gru():
    inputs, read, written = embedded(masked=False)
    _, state = layers.GRU(7, return_state=True)(read)
    written = layers.GRU(7, return_sequences=True)(written, initial_state=state)
    return keras.Model(list(inputs), layers.TimeDistributed(layers.Dense(TARGET))(written))


def gru_reset_before():
    inputs, read, written = embedded()
    _, state = layers.GRU(7, return_state=True, reset_after=False, go_backwards=True)(read)
    written = layers.GRU(7, return_sequences=True, reset_after=False)(written, initial_state=state)
    return keras.Model(list(inputs), output(written))


def bidirectional():
    inputs, read, written = embedded()
    read = layers.Dropout(0.3)(read)
    cell = layers.LSTM(5, return_sequences=True, return_state=True)
    memory, forward_h, forward_c, backward_h, backward_c = layers.Bidirectional(cell)(read)
    state = [layers.Concatenate()([forward_h, backward_h])]
    state.append(layers.Concatenate()([forward_c, backward_c]))
    written = layers.LSTM(10, return_sequences=True)(written, initial_state=state)
    context = layers.AdditiveAttention()([written, memory])
    return keras.Model(list(inputs), output(layers.Concatenate()([written, context])))


def stacked():
    inputs, read, written = embedded()
    cell = layers.LSTM(6, return_sequences=True)
    read = layers.Bidirectional(cell, merge_mode="sum")(read)
    read, *_ = layers.LSTM(6, return_sequences=True, return_state=True)(read)
    _, h, c = layers.LSTM(9, return_state=True, recurrent_dropout=0.1)(read)
    state = [layers.Dense(8, activation="tanh")(h), layers.Dense(8)(c)]
    written = layers.LSTM(8, return_sequences=True)(written, initial_state=state)
    written = layers.LSTM(8, return_sequences=True, use_bias=False)(written, initial_state=state)
    written = layers.LSTM(5, return_sequences=True)(written)
    return keras.Model(list(inputs), output(written))


def dot_attention():
    inputs, read, written = embedded()
    memory, state = layers.GRU(8, return_sequences=True, return_state=True)(read)
    written = layers.GRU(8, return_sequences=True)(written, initial_state=state)
    context, _ = layers.Attention(use_scale=True)([written, memory], return_attention_scores=True)
    joined = layers.LayerNormalization()(layers.Concatenate()([context, written]))
    return keras.Model(list(inputs), output(layers.Dense(9, activation="relu")(joined)))


def additive_attention():
    inputs, read, written = embedded()
    memory, h, c = layers.LSTM(8, return_sequences=True, return_state=True)(read)
    written = layers.LSTM(8, return_sequences=True)(written, initial_state=[h, c])
    asked = [layers.Dense(6)(written), memory, layers.Dense(6)(memory)]
    context = layers.AdditiveAttention(use_scale=False)(asked)
    joined = layers.Concatenate()([context, written])
    return keras.Model(list(inputs), layers.Activation("softmax")(layers.Dense(TARGET)(joined)))


def written_out_attention():
    inputs, read, written = embedded()
    memory, state = layers.GRU(8, return_sequences=True, return_state=True)(read)
    written = layers.GRU(8, return_sequences=True)(written, initial_state=state)
    shares = layers.Activation("softmax")(layers.Dot(axes=[2, 2])([written, memory]))
    context = layers.Dot(axes=[2, 1])([shares, memory])
    return keras.Model(list(inputs), output(layers.Concatenate()([context, written])))


def other_functions():
    source, target = tokens()
    embedding = layers.Embedding(TARGET, 6)
    read = layers.BatchNormalization()(embedding(source))
    cell = layers.LSTM(7, activation="softsign", recurrent_activation="hard_sigmoid")
    cell.return_state = cell.return_sequences = True
    memory, _, c = cell(read)
    state = layers.Dense(6, activation="elu")(c)
    written = layers.GRU(6, return_sequences=True, activation="softsign")(
        embedding(target), initial_state=state
    )
    written = layers.Dense(6, activation="gelu")(written)
    written = layers.Add()([written, layers.GRU(6, return_sequences=True)(written)])
    context = layers.Attention()([layers.Dense(7)(written), memory])
    return keras.Model([source, target], output(layers.Concatenate()([context, written])))


def fixed_lengths():
    """Trained with padding and without a mask; what was read goes with every target token."""
    source = keras.Input((10,), dtype="int32")
    target = keras.Input((LONGEST,), dtype="int32")
    read = layers.GRU(6)(layers.Embedding(SOURCE, 5)(source))
    repeated = layers.RepeatVector(LONGEST)(read)
    written = layers.Concatenate()([layers.Embedding(TARGET, 5)(target), repeated])
    written = layers.LSTM(9, return_sequences=True)(written)
    return keras.Model([source, target], output(written))


def characters():
    """The model of Keras' own example, lstm_seq2seq."""
    source = keras.Input((None, len(CHARACTERS)))
    target = keras.Input((None, len(CHARACTERS)))
    _, *state = layers.LSTM(9, return_state=True)(source)
    written, _, _ = layers.LSTM(9, return_sequences=True, return_state=True)(
        target, initial_state=state
    )
    return keras.Model(
        [source, target], layers.Dense(len(CHARACTERS), activation="softmax")(written)
    )


def text_inside():
    source = keras.Input((), dtype="string", name="source")
    target = keras.Input((), dtype="string", name="target")
    sides = [layers.TextVectorization(standardize="lower") for _ in range(2)]
    sides[0].adapt([" ".join(WORDS[: SOURCE - 2])])
    sides[1].set_vocabulary(["[start]", "[end]", *WORDS[: TARGET - 4]])
    read, written = sides[0](source), sides[1](target)
    _, state = layers.GRU(7, return_state=True)(layers.Embedding(SOURCE, 6, mask_zero=True)(read))
    written = layers.GRU(7, return_sequences=True)(
        layers.Embedding(TARGET, 5, mask_zero=True)(written), initial_state=state
    )
    return keras.Model([source, target], output(written))


def recipe():
    return build_for_saving(LstmRecipe(units=12, embedding=6, vocabulary_size=8), SOURCE, TARGET)


def recipe_deep():
    settings = {"cell": "gru", "attention": "dot", "layers": 2, "attend_after": "first"}
    return build_for_saving(
        LstmRecipe(units=12, embedding=6, vocabulary_size=8, **settings), SOURCE, TARGET
    )


MODELS = (
    lstm, gru, gru_reset_before, bidirectional, stacked, dot_attention, additive_attention,
    written_out_attention, other_functions, fixed_lengths, characters, text_inside, recipe,
    recipe_deep,
)  # fmt: skip


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / "golden.json"
    golden = json.loads(file.read_text()) if names else {}
    for number, build in enumerate(MODELS):
        if names and build.__name__ not in names:
            continue
        keras.utils.set_random_seed(number)
        random = np.random.default_rng(40 + number)
        model = build()
        for variable in model.weights:
            if variable.dtype == "float32":
                scale = 1.0 if len(variable.shape) > 1 else 0.3
                values = random.normal(scale=scale, size=variable.shape)
                if "variance" in variable.name:
                    values = np.abs(values) + 0.5
                variable.assign(values)
        model.save(folder / f"{build.__name__}.keras")
        golden[build.__name__] = [greedy(model, source) for source in sources(model, random)]
    if not names or "pytorch_tutorial" in names:
        golden["pytorch_tutorial"] = pytorch_tutorial(folder / "pytorch-tutorial")
    text = json.dumps(golden, separators=(",", ":"))
    file.write_text(text.replace('}],"', '}],\n"') + "\n", encoding="utf-8")


def sources(model: keras.Model, random: np.random.Generator) -> list[list[int]]:
    if one_hot(model):
        return [random.integers(2, len(CHARACTERS), size=n).tolist() for n in (1, 3, 7, 14, 20)]
    first = 2 if model.inputs[0].dtype == "string" else 4
    length = model.inputs[0].shape[1] if model.inputs[0].ndim == 2 else None
    found = [random.integers(first, SOURCE, size=n).tolist() for n in (1, 2, 6, 11, 19)]
    return [one[:length] + [PADDING] * ((length or 0) - len(one)) for one in found]


def one_hot(model: keras.Model) -> bool:
    return model.inputs[0].ndim == 3


def fed(model: keras.Model, side: int, ids: list[int]):
    if one_hot(model):
        return np.eye(len(CHARACTERS), dtype="float32")[[ids]]
    if model.inputs[side].dtype != "string":
        length = model.inputs[side].shape[1] or len(ids)
        return np.array([ids + [PADDING] * (length - len(ids))], "int32")
    import tensorflow

    layer = [one for one in model.layers if isinstance(one, layers.TextVectorization)][side]
    vocabulary = layer.get_vocabulary()
    return tensorflow.constant([" ".join(vocabulary[token] for token in ids)])


def greedy(model: keras.Model, source: list[int]) -> dict:
    start, end, never = (0, 1, [0]) if one_hot(model) else (START, END, [START])
    if any(getattr(layer, "mask_zero", False) for layer in model.layers):
        never = [PADDING, START]
    target, log_probs = [start], []
    for step in range(LONGEST):
        given = model([fed(model, 0, source), fed(model, 1, target)], training=False)
        scores = np.asarray(given, np.float64)[0, step]
        if abs(scores.sum() - 1) < 1e-4:
            scores = np.log(scores)
        scores[never] = -np.inf
        scores -= np.log(np.exp(scores).sum())
        if step == 0:
            scores[end] = -np.inf  # no translation is empty
        target.append(int(scores.argmax()))
        log_probs.append(round(float(scores.max()), 6))
        if target[-1] == end:
            break
    return {"source": source, "tokens": target[1:], "log_probs": log_probs}


# The classes of the tutorial, as they are there but for its device and its teacher forcing.


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)

    def forward(self, input):
        return self.gru(self.embedding(input))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        weights = nn.functional.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, input, hidden, encoder_outputs):
        context, _ = self.attention(hidden.permute(1, 0, 2), encoder_outputs)
        output, hidden = self.gru(torch.cat((self.embedding(input), context), dim=2), hidden)
        return self.out(output), hidden


@torch.no_grad()
def pytorch_tutorial(folder: Path) -> list[dict]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    encoder, decoder = EncoderRNN(SOURCE, 8), AttnDecoderRNN(8, TARGET)
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        parameter.normal_(std=0.8)
    save_file(encoder.state_dict(), folder / "encoder.safetensors")
    save_file(decoder.state_dict(), folder / "decoder.safetensors")
    random = np.random.default_rng(1)
    sentences = [[*random.integers(2, SOURCE, size=n).tolist(), 1] for n in (1, 2, 5, 9)]
    return [pytorch_greedy(encoder, decoder, source) for source in sentences]


def pytorch_greedy(encoder: EncoderRNN, decoder: AttnDecoderRNN, source: list[int]) -> dict:
    outputs, hidden = encoder(torch.tensor([source]))
    tokens, log_probs = [0], []
    for step in range(10):
        logits, hidden = decoder(torch.tensor([[tokens[-1]]]), hidden, outputs)
        logits[..., 0] = -torch.inf  # SOS is never generated
        scores = logits[0, 0].log_softmax(-1)
        if step == 0:
            scores[1] = -torch.inf  # no translation is empty
        tokens.append(int(scores.argmax()))
        log_probs.append(round(float(scores.max()), 6))
        if tokens[-1] == 1:
            break
    return {"source": source, "tokens": tokens[1:], "log_probs": log_probs}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
