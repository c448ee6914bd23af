from __future__ import annotations

from collections.abc import Iterator

from service.api.dialects.libretranslate.routes import DIALECT
from service.api.status import RETRIED, STATUS, headers_of, status_of
from service.errors import InvalidRequest, Overloaded, ServiceError, ShuttingDown, TooManyRequests


def descendants(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_error_has_a_status() -> None:
    assert set(descendants(ServiceError)) == set(STATUS)


def test_every_status_is_found() -> None:
    assert {status_of(kind("", 1) if issubclass(kind, RETRIED) else kind("")) for kind in STATUS}


def test_whoever_may_come_back_is_told_when() -> None:
    assert headers_of(Overloaded("", 7)) == {"Retry-After": "7"}
    assert headers_of(ShuttingDown("", 3)) == {"Retry-After": "3"}
    assert headers_of(TooManyRequests("", 60)) == {"Retry-After": "60"}
    assert headers_of(InvalidRequest("")) == {}


def test_the_documentation_of_a_status_shows_all_of_its_errors() -> None:
    (documented,) = DIALECT.documented(400).values()
    examples = documented["content"]["application/json"]["examples"]
    assert {"InvalidRequest", "UnsupportedLanguage", "RequestTooLarge"} <= set(examples)
    assert set(examples) == {kind.__name__ for kind, row in STATUS.items() if row.code == 400}
    assert examples["UnsupportedLanguage"]["value"] == {"error": "zz is not supported"}
