from __future__ import annotations

from itertools import chain, pairwise, product

import numpy as np
import pytest

from service.runtime.batch import OnnxDecoding
from service.runtime.grouping import of_like_length
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Array
from tests.service.runtime.test_seq2seq import step

SHORT, LONG = (5, 6, 7), tuple(range(5, 25)) * 3


def cost(lengths: list[int], groups: list[list[int]], run_cost: int) -> int:
    padded = sum(len(group) * max(lengths[index] for index in group) for group in groups)
    return padded + run_cost * len(groups)


def all_divisions(order: list[int]) -> list[list[list[int]]]:
    divisions = []
    for cuts in product([False, True], repeat=len(order) - 1):
        ends = [0, *(place for place, cut in enumerate(cuts, start=1) if cut), len(order)]
        divisions.append([order[first:end] for first, end in pairwise(ends)])
    return divisions


@pytest.mark.parametrize("run_cost", [0, 1, 7, 80])
def test_no_other_division_costs_less(run_cost: int) -> None:
    rng = np.random.default_rng(run_cost)
    for _ in range(20):
        lengths = rng.integers(1, 40, rng.integers(1, 9))
        groups = [group.tolist() for group in of_like_length(lengths, run_cost)]
        assert sorted(chain.from_iterable(groups)) == list(range(len(lengths)))
        best = min(
            cost(lengths.tolist(), division, run_cost)
            for division in all_divisions(np.argsort(lengths).tolist())
        )
        assert cost(lengths.tolist(), groups, run_cost) == best


def test_sentences_of_like_length_are_encoded_together_and_all_find_their_memory(
    tiny: OnnxSeq2Seq,
) -> None:
    runs: list[list[int]] = []

    def encode(source_ids: list[tuple[int, ...]]) -> dict[str, Array]:
        runs.append([len(ids) for ids in source_ids])
        return tiny.run_encoder(source_ids)

    sources = [LONG, SHORT] * 20
    decoding = OnnxDecoding(tiny.decoder, encode)
    decoding.join(sources)
    assert runs == [[len(SHORT)] * 20, [len(LONG)] * 20]
    together = step(decoding, [tiny.target.start] * 40, 0)
    for row, source in enumerate(sources[:2]):
        alone = step(tiny.encode([source]), [tiny.target.start], 0)
        np.testing.assert_array_equal(together.ids[row::2], alone.ids.repeat(20, 0))
        np.testing.assert_array_equal(together.log_probs[row::2], alone.log_probs.repeat(20, 0))
