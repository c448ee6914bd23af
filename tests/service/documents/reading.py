"""Read documents, and fill them, without a model."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace

from service.documents.contents import Contents, Limits
from service.documents.readers import read
from service.domain import DecodingOptions, Format
from service.scheduling.admission import Admission
from service.scheduling.job import Decoder
from service.settings import SchedulingSettings
from tests.service.api.reversing import ReversingEngine
from tests.service.one_model import translator_of
from tests.service.test_translator import asking

LIMITS = Limits(
    max_expanded_bytes=10_000_000, max_characters=100_000, max_paragraph_characters=20_000
)


def contents(extension: str, content: bytes | str) -> Contents:
    """What a reader makes of a file."""
    return read(extension, content if isinstance(content, bytes) else content.encode(), LIMITS)


def filled(
    extension: str, content: bytes | str, change: Callable[[str], str] = lambda text: text
) -> bytes:
    """The file with every text changed like this."""
    found = contents(extension, content)
    return found.filled([change(text) for text in found.texts], "en")


def reversed_by(texts: Sequence[str], form: Format, decoder: Decoder) -> list[str]:
    """Texts through the real translator, with such a model."""

    async def scenario() -> list[str]:
        admission = Admission(SchedulingSettings(max_waiting_characters=10**7))
        translator = translator_of(decoder, admission)
        request = replace(asking(*texts, options=DecodingOptions(), seconds=60), format=form)
        return [found.text for found in await translator.translate(request)]

    return asyncio.run(scenario())


def translated(extension: str, content: bytes | str, decoder: Decoder | None = None) -> bytes:
    """The file with the words of its sentences reversed, or as another model likes."""
    found = contents(extension, content)
    if not found.texts:
        return found.filled([], "en")
    texts = reversed_by(found.texts, found.format, decoder or ReversingEngine())
    return found.filled(texts, "en")


def members(content: bytes) -> dict[str, bytes]:
    """All members of an archive, in order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}
