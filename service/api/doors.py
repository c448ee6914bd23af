"""What every request passes that costs something: where a client writes its key, and what follows.

Three spellings are in use, and all are read on all paths: LibreTranslate's field `api_key`, DeepL's
`Authorization: DeepL-Auth-Key …` with its old field `auth_key`, and the usual `Authorization:
Bearer …` and `X-API-Key`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, APIKeyQuery
from starlette.exceptions import HTTPException

from service.access.account import ACCOUNT
from service.api.body import read_parameters
from service.api.dependencies import ServiceDep
from service.api.dialect import Dialect
from service.errors import (
    AdminOnly,
    Disabled,
    InvalidKey,
    MissingKey,
    QuotaExceeded,
    ServiceError,
    TooManyRequests,
)
from service.settings import AccessSettings

SCHEMES = ("deepl-auth-key", "bearer")
"""Of the header Authorization; schemes have no case."""
FIELDS = ("api_key", "auth_key")
"""Of the query and of bodies."""

NO_ADMINS = (
    "Models can be managed where SEQ2SEQ_ACCESS__KEYS_FILE names a file with the key of an admin: "
    "python -m service key add NAME --admin"
)
_AUTHORIZATION = APIKeyHeader(
    name="Authorization",
    auto_error=False,
    description="`Bearer KEY` or `DeepL-Auth-Key KEY`.",
)
_API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_FIELD = APIKeyQuery(
    name="api_key", auto_error=False, description="Also as a field of JSON or of a form."
)


async def enter(
    request: Request,
    service: ServiceDep,
    authorization: Annotated[str | None, Security(_AUTHORIZATION)],
    api_key: Annotated[str | None, Security(_API_KEY)],
    field: Annotated[str | None, Security(_FIELD)],
) -> None:
    """Let a request in, and remember its account.

    Raises:
        MissingKey, InvalidKey, TooManyRequests: it may not come in.
        ServiceError, HTTPException: the body, where a key may be, can't be read.
    """
    secret = _of_authorization(authorization) or api_key or field
    if not secret:
        secret = request.query_params.get("auth_key") or await _of_body(request, service)
    account = service.doors.enter(secret, _address_of(request))
    ACCOUNT.set(account)
    if account is not None:
        request.scope["key"] = account.key


async def enter_as_admin(
    request: Request,
    service: ServiceDep,
    authorization: Annotated[str | None, Security(_AUTHORIZATION)],
    api_key: Annotated[str | None, Security(_API_KEY)],
    field: Annotated[str | None, Security(_FIELD)],
) -> None:
    """Let the request of an admin in.

    Raises:
        Disabled: there are no keys.
        AdminOnly: its key is not that of an admin, or it has none.
        ServiceError: as enter().
    """
    if service.settings.access.keys_file is None:
        raise Disabled(NO_ADMINS)
    await enter(request, service, authorization, api_key, field)
    account = ACCOUNT.get()
    if account is None or not account.admin:
        raise AdminOnly("This needs the key of an admin: python -m service key add NAME --admin")


def dependencies(settings: AccessSettings) -> list[Dependency]:
    """What routes depend on that not everybody may use at any rate; nothing where all may."""
    return [Depends(enter)] if settings.keys_file or settings.address_rates else []


def documented(settings: AccessSettings, dialect: Dialect) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` of what the doors refuse with these settings."""
    refusals: list[ServiceError] = []
    if settings.keys_file:
        refusals += [MissingKey(), InvalidKey(), QuotaExceeded(), TooManyRequests("", 1)]
    elif settings.address_rates:
        refusals += [TooManyRequests("", 1)]
    return dialect.documented(*sorted({dialect.status_of(one) for one in refusals}))


def _of_authorization(header: str | None) -> str | None:
    scheme, _, secret = (header or "").partition(" ")
    return secret.strip() if scheme.lower() in SCHEMES else None


async def _of_body(request: Request, service: ServiceDep) -> str | None:
    """The key of a body; it is read once, here or by whoever comes behind."""
    seconds = service.settings.scheduling.deadline_seconds
    if not {"content-length", "transfer-encoding"} & set(request.headers.keys()):
        return None
    try:
        parameters = await read_parameters(request, seconds, ())
    except (ServiceError, HTTPException):
        service.doors.count(_address_of(request))  # or nonsense could be sent at any rate
        raise
    found = (parameters.get(name) for name in FIELDS)
    return next((one for one in found if isinstance(one, str) and one), None)


def _address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"
