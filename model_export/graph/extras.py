"""The end of a step: the best continuations, and what only some rows need.

Penalties and biases, chosen and whole distributions, and attention are computed in a branch that
only runs when some row asks for one of them. So a plain step pays one operator for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from model_export.graph.builder import BOOL, FLOAT, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.spec import Attention

LEAST = np.finfo(np.float32).min
ALIGNMENT_HEADS = 1
"""The attention that is shown is that of these first heads of the last decoder layer. One is what
CTranslate2 takes for models that were not trained with alignments."""


def continuations(
    graph: GraphBuilder,
    precision: Precision,
    logits: str,
    vocabulary: int,
    attended: tuple[Attention, str, str],
) -> None:
    """Declare the outputs that are made of the logits, [rows, vocabulary].

    attended: the last layer's attention to the source, its query and its key, as in
    _attention_scores().
    """
    finish(graph, precision, logits, vocabulary, partial(_attention_scores, attended))


AttentionScores = Callable[[GraphBuilder, GraphBuilder], None]
"""Declares attention_scores in a branch (the first one) of the graph (the second one)."""


def finish(
    graph: GraphBuilder,
    precision: Precision,
    logits: str,
    vocabulary: int,
    attention_scores: AttentionScores,
) -> None:
    """The same for any kind of attention to the source."""
    graph.input("candidates", INT64, [1])
    extra, plain = graph.branch("extra"), graph.branch("plain")
    log_probs = _log_probs(extra, graph, logits)
    _best(extra, precision, log_probs, vocabulary)
    _asked_and_full(extra, graph, log_probs, vocabulary)
    attention_scores(extra, graph)
    _best(plain, precision, plain.op("LogSoftmax", logits, axis=-1), vocabulary)
    _nothing(plain, vocabulary)
    graph.choose(graph.input("extra", BOOL, [1]), extra, plain)
    for name, dtype, shape in _outputs(vocabulary):
        graph.output(name, name, dtype, shape)


def _outputs(vocabulary: int) -> list[tuple[str, int, Shape]]:
    return [
        ("log_probs", FLOAT, ["rows", "candidates"]),
        ("ids", INT64, ["rows", "candidates"]),
        ("asked_log_probs", FLOAT, ["asked"]),
        ("full_log_probs", FLOAT, ["full_rows", vocabulary]),
        ("attention_scores", FLOAT, ["attended", ALIGNMENT_HEADS, "source"]),
    ]


def _best(graph: GraphBuilder, precision: Precision, log_probs: str, vocabulary: int) -> None:
    best, ids = precision.best(graph, log_probs, "candidates", vocabulary)
    graph.output("log_probs", best, FLOAT, ["rows", "candidates"])
    graph.output("ids", ids, INT64, ["rows", "candidates"])


def _nothing(graph: GraphBuilder, vocabulary: int) -> None:
    """Empty outputs in place of those that nobody asked for."""
    for name, dtype, shape in _outputs(vocabulary)[2:]:
        sizes = [size if isinstance(size, int) else 0 for size in shape]
        empty = graph.constant(np.zeros(sizes, np.float32))
        graph.output(name, empty, dtype, shape)


def _log_probs(branch: GraphBuilder, graph: GraphBuilder, logits: str) -> str:
    """Penalise logits, [rows, vocabulary], then add biases, then normalise.

    A penalty divides a positive logit and multiplies a negative one (CTRL, arXiv:1909.05858).
    """
    biased = graph.optional_input("biased", INT64, ["biases", 2])
    biases = graph.optional_input("biases", FLOAT, ["biases"])
    penalised = graph.optional_input("penalised", INT64, ["penalised", 2])
    penalties = graph.optional_input("penalties", FLOAT, ["penalised"])
    before = branch.op("GatherND", logits, penalised)
    zero, least = (branch.constant(np.array(one, np.float32)) for one in (0, LEAST))
    after = branch.op(
        "Where",
        branch.op("Less", before, zero),
        branch.op("Mul", before, penalties),
        branch.op("Div", before, penalties),
    )
    # A token that is never generated has -inf, and -inf less itself is NaN.
    never = branch.op("Less", before, least)
    difference = branch.op("Where", never, zero, branch.op("Sub", after, before))
    places = branch.op("Concat", biased, penalised, axis=0)
    added = branch.op("Concat", biases, difference, axis=0)
    changed = branch.op("ScatterND", logits, places, added, reduction="add")
    return branch.op("LogSoftmax", changed, axis=-1)


def _asked_and_full(
    branch: GraphBuilder, graph: GraphBuilder, log_probs: str, vocabulary: int
) -> None:
    """Single log-probabilities, and all those of some rows; log_probs: [rows, vocabulary]."""
    asked = graph.optional_input("asked", INT64, ["asked", 2])
    full_rows = graph.optional_input("full_rows", INT64, ["full_rows"])
    branch.output("asked_log_probs", branch.op("GatherND", log_probs, asked), FLOAT, ["asked"])
    full = branch.op("Gather", log_probs, full_rows, axis=0)
    branch.output("full_log_probs", full, FLOAT, ["full_rows", vocabulary])


def asked_attention(graph: GraphBuilder) -> tuple[str, str]:
    """Declare which rows' attention is asked for, and the seats of their sentences: [attended]."""
    rows = graph.optional_input("attended_rows", INT64, ["attended"])
    return rows, graph.optional_input("attended_sentences", INT64, ["attended"])


def _attention_scores(
    asked: tuple[Attention, str, str], branch: GraphBuilder, graph: GraphBuilder
) -> None:
    """Scaled query @ keyᵀ of the alignment heads.

    query: [rows, d]; key: [sentences, h, source, d / h]. Made of sums over d / h alone: whoever
    takes the softmax leaves the padding out, and no result depends on how much there is of it.
    """
    attention, query, key = asked
    rows, sentences = asked_attention(graph)
    width = attention.head_width
    first, last, axis = (branch.integers(value) for value in (0, ALIGNMENT_HEADS, 1))
    query = branch.op("Cast", branch.op("Gather", query, rows, axis=0), to=FLOAT)
    query = branch.op("Slice", query, first, branch.integers(ALIGNMENT_HEADS * width), axis)
    query = branch.op("Mul", query, branch.constant(np.array(attention.score_scale, np.float32)))
    query = branch.op("Reshape", query, branch.integers(0, ALIGNMENT_HEADS, 1, width))
    key = branch.op("Slice", branch.op("Gather", key, sentences, axis=0), first, last, axis)
    key = branch.op("Cast", key, to=FLOAT)
    scores = branch.op("ReduceSum", branch.op("Mul", key, query), branch.integers(-1), keepdims=0)
    branch.output("attention_scores", scores, FLOAT, ["attended", ALIGNMENT_HEADS, "source"])
