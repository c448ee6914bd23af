from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI

from service.api.dialects.deepl.glossaries import dictionaries
from service.api.dialects.deepl.glossary_fields import DictionaryBody

pytestmark = pytest.mark.anyio


async def test_others_are_served_while_a_glossary_is_read(app: FastAPI) -> None:
    entries = "\n".join(f"a{number}\tb" for number in range(1_000))
    body = DictionaryBody(source_lang="fr", target_lang="en", entries=entries)
    reading = asyncio.ensure_future(dictionaries(app.state.service, [body]))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(reading.result()["fr", "en"]) == 1_000
    assert turns > 1
