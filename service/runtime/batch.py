"""A batch of sentences being decoded. Sentences join and leave between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from math import prod

import numpy as np
import onnxruntime

from service.decoding.model import Candidates, ExtraResults, Ids, StepInput
from service.runtime.extras import EXTRA_OUTPUTS, inputs_of, results_of
from service.runtime.grouping import of_like_length
from service.runtime.seats import SEATS, Tensors
from service.runtime.session import TYPES, Array, Binding, Graph
from service.runtime.slots import Layout, Slots

STEP_INPUTS = (
    "last_ids",
    "positions",
    "parents",
    "places",
    "row_places",
    "candidates",
)
STEP_OUTPUTS = ("log_probs", "ids")

MIN_SOURCE = 2
MIN_WIDTH = 2
"""Least source length and least places of a seat. ONNX Runtime multiplies matrices of one row by
another kernel, whose last digit differs; with two at least, a sentence's result can't depend on
its company."""
LEAST_ROWS = {"int4": 2}
"""Least rows of a step, by precision: for the same reason, where a processor has no AVX-512."""
FIRST_SLOTS = 16
"""Slots of a batch whose sentences have no tokens yet."""
STEP = 8
"""Sizes are multiples of this, so that few steps have to move what is kept."""
SHRINK_SHARE = 0.5
"""Memory is given back when no more than this share of it is needed …"""
SHRINK_FROM = 2048
"""… and there are more places for keys than these; with fewer, moving costs more than it saves."""

Encode = Callable[[list[tuple[int, ...]]], dict[str, Array]]
"""Outputs of the encoder for some sentences."""


class OnnxDecoding:
    """The sentences of a batch, known by numbers; their memory and cache stay on the device.

    Every sentence has a seat in memory.* and cache.*. Empty seats are filled by the next to join.
    """

    def __init__(self, decoder: Graph, encode: Encode, least_rows: int = 1) -> None:
        """least_rows: the graph is given so many; where there are fewer, the last one again."""
        self._decoder = decoder
        self._encode = encode
        self._least_rows = least_rows
        self.binding = Binding(decoder)
        """Of the decoder; further outputs may be fetched from it."""
        seated = [*names(decoder.inputs, "memory."), *names(decoder.inputs, "cache.")]
        self._tensors = Tensors(
            {name: decoder.inputs[name].shape for name in seated},
            {name: TYPES[decoder.inputs[name].type] for name in seated},
            decoder.device,
            decoder.device_id,
        )
        self._states = names(decoder.inputs, "state.")
        self._state: dict[str, onnxruntime.OrtValue] = {}
        self._slots = Slots() if "slots" in decoder.inputs else None
        self._heads = 0 if self._slots is None else decoder.inputs["slots"].shape[1]
        self._layout: Layout | None = None  # of the rows of these sentences:
        self._laid_out = b""
        self._numbers = count()
        self._seats: dict[int, int] = {}
        self._some_left = False
        self._lengths: dict[int, int] = {}  # of the sources, in tokens

    def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
        """Encode sentences and take them in; returns their numbers.

        At the next step their rows come behind those of the last one, a row each, in this order.
        """
        groups = self._groups(source_ids)
        encoded = [self._encode([source_ids[index] for index in group]) for group in groups]
        numbers = [number for _, number in zip(source_ids, self._numbers, strict=False)]
        self._lengths |= {n: len(ids) for n, ids in zip(numbers, source_ids, strict=True)}
        seats = np.array(self._take_seats(numbers))
        for group, outputs in zip(groups, encoded, strict=True):
            for name in names(outputs, "memory."):
                self._tensors.write(name, seats[group].tolist(), outputs[name])
        self._bind()
        if self._slots is not None:
            self._slots.join(len(numbers))
        for name in self._states:
            rows = np.concatenate([outputs[name] for outputs in encoded])
            self._state[name] = self._joined(name, rows[np.argsort(np.concatenate(groups))])
        return numbers

    def leave(self, sentences: Iterable[int]) -> None:
        """Forget sentences. None of them may have rows in the next step."""
        for number in sentences:
            del self._seats[number], self._lengths[number]
            self._some_left = True

    def step(self, step: StepInput) -> Candidates:
        """Advance the rows by one token."""
        if self._slots is not None:
            self._slots.follow(step.parents)
        self._shrink()
        layout = self._lay_out(step.sentences)
        self._feed_rows(step)
        self._feed_extras(step, layout)
        self._feed_state()
        if self._slots is not None:
            self._feed_slots(self._slots, layout)
        count = len(step.last_ids)
        for name in STEP_OUTPUTS:
            self.binding.fetch(name, (max(count, self._least_rows), step.candidates))
        found = self.binding.run()
        self._take_state(count)
        return Candidates(
            log_probs=found["log_probs"][:count].copy(),
            ids=found["ids"][:count].copy(),
            extras=self._take_extras(step),
        )

    def _groups(self, source_ids: list[tuple[int, ...]]) -> list[Ids]:
        """Which of the sentences to encode together. A GPU pays for runs, not for padding."""
        if self._decoder.device != "cpu" or len(source_ids) == 1:
            return [np.arange(len(source_ids))]
        return of_like_length(np.array([len(ids) for ids in source_ids]))

    def _lay_out(self, sentences: Ids) -> Layout:
        """Say where the rows are, unless they are where they were."""
        key = sentences.tobytes()
        if self._layout is not None and key == self._laid_out:
            return self._layout
        seats = np.array([self._seats[number] for number in sentences.tolist()], np.int64)
        layout = Layout.of(seats, MIN_WIDTH)
        places = np.zeros((self._tensors.sizes[SEATS], layout.width), np.int64)
        places[layout.seats, layout.place] = layout.rows
        self.binding.feed("places", places)
        self._feed_by_row("row_places", layout.seats * layout.width + layout.place)
        self._laid_out, self._layout = key, layout
        return layout

    def _feed_rows(self, step: StepInput) -> None:
        self._feed_by_row("last_ids", step.last_ids)
        self._feed_by_row("positions", step.positions)
        self._feed_by_row("parents", step.parents)
        self.binding.feed("candidates", np.array([step.candidates], np.int64))

    def _feed_by_row(self, name: str, array: Array) -> None:
        missing = self._least_rows - len(array)
        if missing > 0:
            array = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
        self.binding.feed(name, array)

    def _feed_extras(self, step: StepInput, layout: Layout) -> None:
        extra = step.extras is not None or len(step.biased) > 0
        self.binding.feed("extra", np.array([extra]))
        if extra:
            for name, array in inputs_of(step, layout.seats).items():
                self.binding.feed(name, array)
        if step.extras is not None:
            for name in EXTRA_OUTPUTS:
                self.binding.leave(name)

    def _take_extras(self, step: StepInput) -> ExtraResults | None:
        if step.extras is None:
            return None
        attended = step.sentences[step.extras.attended_rows].tolist()
        outputs = {name: value.numpy() for name, value in self.binding.left(EXTRA_OUTPUTS).items()}
        results = results_of(outputs, [self._lengths[number] for number in attended])
        self.binding.forget_outputs()  # the next step may not have them
        self._bind()
        return results

    def _feed_slots(self, slots: Slots, layout: Layout) -> None:
        chosen = slots.write(layout)
        while chosen is None:
            self._resize({"slots": slots.count + max(STEP, _rounded(slots.count // 2))})
            chosen = slots.write(layout)
        index = np.empty((len(chosen), self._heads, 3), np.int64)
        index[..., 0] = layout.seats[:, None]
        index[..., 1] = np.arange(self._heads)
        index[..., 2] = chosen[:, None]
        self._feed_by_row("slots", index)
        self.binding.feed("unseen", slots.bias(layout, self._tensors.sizes[SEATS]))

    def _resize(self, sizes: Mapping[str, int], seats: Sequence[int] | None = None) -> None:
        """Change the sizes of what is kept; seats: those that stay, in their new order."""
        self._tensors.resize(sizes, seats)
        if self._slots is not None:
            self._slots.resize(self._tensors.sizes["slots"])
        self._bind()

    def _take_seats(self, numbers: Sequence[int]) -> list[int]:
        """Seat new sentences, making room where there is none."""
        self._make_room(len(numbers))
        sizes = self._tensors.sizes
        free = sorted(set(range(sizes[SEATS])).difference(self._seats.values()))
        taken = dict(zip(numbers, free, strict=False))
        self._layout = None
        self._seats |= taken
        return list(taken.values())

    def _make_room(self, joining: int) -> None:
        wanted = self._needed() | {SEATS: len(self._seats) + joining}
        sizes = self._tensors.sizes
        if not self._seats:
            self._tensors.clear(wanted)
            if self._slots is not None:
                self._slots.clear(wanted["slots"])
            return
        wanted = {name: max(size, sizes[name]) for name, size in wanted.items() if name in sizes}
        if wanted != sizes:
            self._resize(wanted)

    def _needed(self) -> dict[str, int]:
        """The sizes that the sentences here need, whose sources are known already."""
        slots = 0 if self._slots is None else max(FIRST_SLOTS, _rounded(self._slots.needed))
        source = max(self._lengths.values())
        return {SEATS: len(self._seats), "source": _rounded(source), "slots": slots}

    def _shrink(self) -> None:
        """Move the sentences together when half of the room or more is empty."""
        if not self._some_left:
            return
        self._some_left, self._layout = False, None
        sizes = self._tensors.sizes
        if sizes[SEATS] * sum(sizes.values()) < SHRINK_FROM:
            return
        needed = {name: size for name, size in self._needed().items() if name in sizes}
        if prod(needed.values()) <= SHRINK_SHARE * prod(sizes.values()):
            self._resize(needed, list(self._seats.values()))
            self._seats = {number: seat for seat, number in enumerate(self._seats)}

    def _bind(self) -> None:
        for name, value in self._tensors.values.items():
            self.binding.hold(name, value)
            if name.startswith("cache."):
                self.binding.hold_output(f"new_{name}", value)

    def _joined(self, name: str, rows: Array) -> onnxruntime.OrtValue:
        """State rows of the last step with those of new sentences behind them."""
        if name in self._state:
            rows = np.concatenate([np.asarray(self._state[name].numpy()), rows])
        return onnxruntime.OrtValue.ortvalue_from_numpy(
            rows, self._decoder.device, self._decoder.device_id
        )

    def _feed_state(self) -> None:
        for name in self._states:
            self.binding.hold(name, self._state[name])
            self.binding.leave(f"new_{name}")

    def _take_state(self, rows: int) -> None:
        if not self._states:
            return
        left = self.binding.left([f"new_{name}" for name in self._states])
        for name, value in zip(self._states, left.values(), strict=True):
            self._state[name] = value if rows >= self._least_rows else _first(rows, value)


def names(values: Iterable[str], prefix: str) -> list[str]:
    """Those that begin with the prefix."""
    return [name for name in values if name.startswith(prefix)]


def _first(rows: int, value: onnxruntime.OrtValue) -> onnxruntime.OrtValue:
    """Only int4 needs it, which is for CPUs."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(value.numpy()[:rows])


def _rounded(size: int) -> int:
    return -(-size // STEP) * STEP
