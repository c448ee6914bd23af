from __future__ import annotations

import pytest

from service.decoding.repetition import REPEATS, TOKENS, repeats_itself

VARIED = tuple(range(100, 130))


@pytest.mark.parametrize("period", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("around", [(), VARIED])
def test_a_sequence_again_and_again_is_repetition(period: int, around: tuple[int, ...]) -> None:
    times = max(REPEATS, -(-TOKENS // period))
    loop = tuple(range(period)) * times
    assert repeats_itself(around + loop + around, VARIED)
    assert repeats_itself(around + loop + loop[:1], VARIED)


@pytest.mark.parametrize(
    "target_ids",
    [
        (),
        (5,) * (TOKENS - 1),  # "No, no, no"
        (1, 2) * 5,
        tuple(range(20)) * (REPEATS - 1),
        VARIED * 2,
        tuple(token for number in range(30) for token in (7, number)),  # a list with commas
    ],
)
def test_other_texts_are_not(target_ids: tuple[int, ...]) -> None:
    assert not repeats_itself(target_ids, VARIED)


def test_what_the_source_repeats_may_be_repeated() -> None:
    source, target = (1, 2) * 10, (3, 4, 5) * 10
    assert not repeats_itself(target, source)
    assert repeats_itself(target * 2, source)
