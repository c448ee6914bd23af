"""Which slots of the cache each row sees, and which it writes next.

A sentence's hypotheses form a tree, and the cache holds each of its tokens once: a row sees the
slots of its own path. A slot that no live row sees is free again. Nothing here depends on other
sentences but the number of slots, and what a row does not see does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.decoding.model import Ids

Floats = npt.NDArray[np.float32]

SEEN, UNSEEN = np.float32(0), np.float32(-np.inf)
"""What is added to the attention score of a slot."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows laid out as [seat, place]; a sentence's rows are adjacent."""

    rows: Ids
    """(rows,) 0, 1, …"""
    seats: Ids
    """(rows,) the seat of each row's sentence."""
    place: Ids
    """(rows,) how many rows of its sentence are before it."""
    first: Ids
    """(sentences,) first row of each sentence."""
    run: Ids
    """(rows,) which of the sentences each row belongs to, in the order of the rows."""
    width: int
    """Places of a seat."""

    @classmethod
    def of(cls, seats: Ids, min_width: int) -> Layout:
        """Lay out rows whose sentences have these seats."""
        rows = np.arange(len(seats))
        changes = np.concatenate([[True], seats[1:] != seats[:-1]])
        first = np.flatnonzero(changes)
        run = np.cumsum(changes) - 1
        place = rows - first[run]
        return cls(rows, seats, place, first, run, max(min_width, int(place.max()) + 1))


class Slots:
    """The slots of all rows of a batch."""

    def __init__(self) -> None:
        self._bias: Floats = np.zeros((0, 0), np.float32)  # (rows, slots), SEEN or UNSEEN
        self._most = 0  # no sentence sees more slots than this

    @property
    def count(self) -> int:
        """How many slots there are."""
        return int(self._bias.shape[1])

    @property
    def needed(self) -> int:
        """How many slots there must be for what is seen now."""
        used = np.flatnonzero((self._bias == SEEN).any(axis=0))
        return int(used[-1]) + 1 if len(used) else 0

    def clear(self, count: int) -> None:
        """Have this many slots, of which no row of the last step sees any."""
        self._bias = np.full((len(self._bias), count), UNSEEN)
        self._most = 0

    def resize(self, count: int) -> None:
        """Have this many slots, at least needed."""
        resized = np.full((len(self._bias), count), UNSEEN)
        kept = min(count, self.count)
        resized[:, :kept] = self._bias[:, :kept]
        self._bias = resized

    def join(self, rows: int) -> None:
        """Rows that see nothing yet come behind those of the last step."""
        self._bias = np.concatenate([self._bias, np.full((rows, self.count), UNSEEN)])

    def follow(self, parents: Ids) -> None:
        """Each row sees what its parent, a row of the step before, saw."""
        self._bias = self._bias[parents]

    def write(self, layout: Layout) -> Ids | None:
        """Give each row a free slot, the lowest first, which it sees from now on: (rows,).

        None when there are not enough slots.
        """
        seen = np.maximum.reduceat(self._bias, layout.first, axis=0)  # (sentences, slots)
        # UNSEEN sorts before SEEN, and stable keeps the free slots in order.
        free = seen.argsort(axis=1, kind="stable")
        if self._most + layout.width > self.count:
            self._most = int((seen == SEEN).sum(axis=1).max(initial=0))
            if self._most + layout.width > self.count:
                return None
        self._most += layout.width
        slots = free[layout.run, layout.place]
        self._bias[layout.rows, slots] = SEEN
        return slots

    def bias(self, layout: Layout, seats: int) -> Floats:
        """(seats, 1, width, slots): what each place adds to the attention score of each slot."""
        bias = np.zeros((seats, 1, layout.width, self.count), np.float32)
        bias[layout.seats, 0, layout.place] = self._bias
        return bias
