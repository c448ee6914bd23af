"""Loading, unloading and switching, with models that take as long to load as a test likes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalogue.catalogue import Catalogue
from service.catalogue.entries import State
from service.catalogue.memory import TooLarge
from service.catalogue.model import KnownModel, ServedModel
from service.catalogue.routes import Routes, Step
from service.errors import (
    InvalidPackage,
    InvalidRequest,
    ModelFailure,
    ModelNotFound,
    ModelNotLoaded,
    Overloaded,
    UnsupportedLanguage,
)
from service.metrics import Metrics
from service.settings import ModelsSettings
from tests.service.api.reversing import ReversingEngine
from tests.service.one_model import Served, known, pair

pytestmark = pytest.mark.anyio
MB = 2**20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Slow(Served):
    """Models that are loaded when the test says so."""

    keys: set[str] = field(default_factory=set)
    """Of models in memory."""
    loads: int = 0
    broken: bool = False
    may_load: threading.Event = field(default_factory=threading.Event)

    def load(self, known: KnownModel) -> ServedModel:
        assert self.may_load.wait(20)
        if self.broken:
            raise InvalidPackage("broken")
        self.loads += 1
        key = f"{known.name}/{known.version}#{self.loads}"
        self.keys.add(key)
        model = super().load(known)
        return replace(model, key=key)

    def unload(self, model: ServedModel) -> None:
        assert model.leases == 0
        self.keys.remove(model.key)


def slow(*models: KnownModel) -> Slow:
    found = Slow(models, ReversingEngine(), Metrics())
    found.may_load.set()
    return found


def catalogue_of(models: Slow, memory_mb: int | None = None) -> Catalogue:
    found = Catalogue(models, ModelsSettings(memory_mb=memory_mb), models.metrics)
    found.start()
    return found


def step(model: KnownModel) -> Step:
    return Step(model, pair(model.name))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (it happens in a thread)
            await asyncio.sleep(0)


FR_EN, EN_DE, EN_ES = (known(one, one, size=MB) for one in ("fr-en", "en-de", "en-es"))


async def test_a_switch_waits_for_nobody_and_nobody_waits_for_it() -> None:
    models = slow(FR_EN)
    catalogue = catalogue_of(models)
    async with catalogue.lease(step(FR_EN)) as old:
        models.may_load.clear()
        loading = asyncio.create_task(catalogue.load("fr-en", "2"))
        await asyncio.sleep(0)
        async with catalogue.lease(step(FR_EN)) as meanwhile:
            assert meanwhile is old
        models.may_load.set()
        assert (await loading).version == "2"
        async with catalogue.lease(step(FR_EN)) as new:
            assert new.known.version == "2"
        assert {old.key, new.key} == models.keys
        states = [(one.version, one.state) for one in await catalogue.listing()]
        assert states == [("1", State.LEAVING), ("2", State.LOADED)]
    await until(lambda: models.keys == {new.key})


async def test_a_change_is_made_to_its_end() -> None:
    models = slow(FR_EN)
    catalogue = catalogue_of(models)
    models.may_load.clear()
    loading = asyncio.create_task(catalogue.load("fr-en", "2"))
    await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    models.may_load.set()
    await until(lambda: catalogue.default.version == "2" and len(models.keys) == 1)


async def test_what_can_not_be_loaded_changes_nothing() -> None:
    models = slow(FR_EN)
    catalogue = catalogue_of(models)
    routes = catalogue.routes
    models.broken = True
    with pytest.raises(ModelNotLoaded, match="broken"):
        await catalogue.load("fr-en", "2")
    assert catalogue.routes is routes
    async with catalogue.lease(step(FR_EN)) as model:
        assert model.known.version == "1"


async def test_unloading() -> None:
    models = slow(FR_EN, EN_DE)
    catalogue = catalogue_of(models)
    assert catalogue.default.name == "fr-en"
    async with catalogue.lease(step(FR_EN)) as model:
        assert (await catalogue.unload("fr-en")).state is State.LEAVING
        with pytest.raises(UnsupportedLanguage):
            catalogue.routes.find("fr", "en")
        with pytest.raises(Overloaded, match="was unloaded"):
            async with catalogue.lease(step(FR_EN)):
                raise AssertionError("unreachable")
        assert model.key in models.keys
    await until(lambda: len(models.keys) == 1)
    assert catalogue.default.name == "en-de"
    with pytest.raises(ModelNotFound):
        await catalogue.unload("fr-en")
    with pytest.raises(InvalidRequest, match="only model"):
        await catalogue.unload("en-de")


async def test_a_model_larger_than_the_budget_is_refused() -> None:
    with pytest.raises(TooLarge, match="'fr-en', version 1, takes some 2 MiB"):
        catalogue_of(slow(replace(FR_EN, bytes=MB + 1)), 1)


async def test_many_wait_for_one_load_and_some_leave() -> None:
    models = slow(FR_EN, EN_DE)
    catalogue = catalogue_of(models, 1)
    assert models.loads == 1
    models.may_load.clear()

    async def use() -> str:
        async with catalogue.lease(step(EN_DE)) as model:
            return model.key

    waiting = [asyncio.create_task(use()) for _ in range(6)]
    await until(lambda: not models.keys)
    for task in waiting[::2]:
        task.cancel()
    models.may_load.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, str) for one in found] == [False, True] * 3
    assert models.loads == 2
    assert [one.leases for one in catalogue.loaded] == [0]


async def test_nobody_waits_for_a_model_that_is_broken_by_now() -> None:
    models = slow(FR_EN, EN_DE)
    catalogue = catalogue_of(models, 1)
    models.broken = True
    for _ in range(2):
        with pytest.raises(ModelFailure, match="could not be loaded"):
            async with catalogue.lease(step(EN_DE)):
                raise AssertionError("unreachable")
    models.broken = False
    async with catalogue.lease(step(EN_DE)) as model:
        assert model.leases == 1


async def test_a_model_in_use_makes_room_for_one_that_is_waited_for() -> None:
    models = slow(FR_EN, EN_DE)
    catalogue = catalogue_of(models, 1)
    async with catalogue.lease(step(FR_EN)):
        waiting = asyncio.create_task(_use(catalogue, EN_DE))
        await until(lambda: not catalogue.loaded)
        again = asyncio.create_task(_use(catalogue, FR_EN))
        await asyncio.sleep(0.01)
        assert not waiting.done()
    assert list(await asyncio.gather(waiting, again)) == [
        "en-de/1#2",
        "fr-en/1#3",
    ]


async def _use(catalogue: Catalogue, model: KnownModel) -> str:
    async with catalogue.lease(step(model)) as found:
        return found.key


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, None]))
def test_a_lease_is_of_a_model_in_memory(seed: int, memory_mb: int | None) -> None:
    """Whatever is loaded, switched, unloaded, waited for and given up meanwhile."""
    asyncio.run(_anything(random.Random(seed), memory_mb))


async def _anything(chance: random.Random, memory_mb: int | None) -> None:
    all_models = [FR_EN, EN_DE, EN_ES]
    models = slow(*all_models)
    catalogue = catalogue_of(models, memory_mb)

    async def use(model: KnownModel) -> None:
        async with catalogue.lease(step(model)) as found:
            for _ in range(chance.randrange(4)):
                assert found.key in models.keys
                assert found.leases > 0
                await asyncio.sleep(0)

    async def change(model: KnownModel) -> None:
        if chance.random() < 0.3:
            await catalogue.unload(model.name)
        else:
            await catalogue.load(model.name, str(chance.randrange(5)))

    tasks = []
    for _ in range(40):
        model = chance.choice(all_models)
        work = change(model) if chance.random() < 0.2 else use(model)
        tasks.append(asyncio.create_task(work))
        if chance.random() < 0.2:
            chance.choice(tasks).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    expected = (Overloaded, InvalidRequest, ModelNotFound, asyncio.CancelledError)
    assert [
        one for one in found if isinstance(one, BaseException) and not isinstance(one, expected)
    ] == []
    await until(lambda: len(models.keys) == len(catalogue.loaded))
    assert {one.key for one in catalogue.loaded} == models.keys
    assert [one.leases for one in catalogue.loaded] == [0] * len(models.keys)
    assert memory_mb is None or len(models.keys) <= memory_mb
    await catalogue.stop()


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (("b:fr-en", "a:fr-en"), "a"),
        (("b:fr-en", "a:fr-en,fr-de"), "b"),
        (("c:fra-en", "a:de-en"), "c"),
        (("a:de-en",), None),
    ],
)
def test_who_translates_a_pair(models: Sequence[str], expected: str | None) -> None:
    parts = (one.partition(":") for one in models)
    routes = Routes([known(name, *pairs.split(",")) for name, _, pairs in parts])
    with suppress(UnsupportedLanguage):
        (found,) = routes.find("FR", "en")
        assert found.model.name == expected
        return
    assert expected is None
