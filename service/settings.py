"""Every setting, once. The only reader of the environment.

A setting GROUP.NAME is read from the environment variable SEQ2SEQ_GROUP__NAME.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain import DecodingOptions
from service.errors import InvalidSettings

PREFIX = "SEQ2SEQ_"
DEFAULT_MODEL = Path("models/fr-en")
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OptionalPath = Annotated[Path | None, BeforeValidator(lambda told: None if told == "" else told)]
"""Empty is none, as in what Compose passes on, and not the working directory."""


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@]+")


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Group):
    """The door."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses and networks of proxies, separated by commas, that are believed "
        "where a request came from (X-Forwarded-For, X-Forwarded-Proto); * believes everybody.",
    )
    drain_timeout_seconds: Seconds = Field(
        default=30.0, description="How long SIGTERM waits for accepted requests to finish."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        # uvicorn would take anything else for a name that no proxy ever has, and say nothing.
        try:
            for one in [] if value == "*" else _listed(value):
                _ = ip_network(one) if "/" in one else ip_address(one)
        except ValueError:
            raise ValueError(
                "proxies are written like 10.0.0.1, 10.0.0.0/8 or *; names of hosts are not "
                "looked up, and a network has no address of a host in it"
            ) from None
        return value


class ModelSettings(_Group):
    """What is served."""

    directory: Annotated[Path, BeforeValidator(lambda told: told or DEFAULT_MODEL)] = Field(
        default=DEFAULT_MODEL, description="The model directory."
    )
    variant: str | None = Field(
        default=None, description="Variant to serve; by default the fastest one for the device."
    )


class ModelsSettings(_Group):
    """Several models in one service."""

    directory: OptionalPath = Field(
        default=None,
        description="Folder of models, NAME/VERSION each, which are served instead of "
        "SEQ2SEQ_MODEL__DIRECTORY.",
    )
    load: str = Field(
        default="*",
        description="Models to serve from the start, as NAME or NAME/VERSION, separated by commas; "
        "the first one is the default model. * serves all, by name, in their newest versions.",
    )
    memory_mb: Positive | None = Field(
        default=None,
        description="Estimated memory of loaded models (MiB), beyond which the least recently used "
        "ones are unloaded until they are asked for. Unlimited by default.",
    )
    pivots: str = Field(
        default="en",
        description="Languages, separated by commas, through which pairs that no model has are "
        "translated by two models. Empty: none.",
    )

    @property
    def names(self) -> list[str]:
        """What to serve from the start; empty: all."""
        return [] if self.load.strip() == "*" else _listed(self.load)

    @property
    def pivot_languages(self) -> list[str]:
        """The pivots one by one, the preferred one first."""
        return _listed(self.pivots)


class RuntimeSettings(_Group):
    """Where the graphs run."""

    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="cuda refuses to start where no GPU can be used."
    )
    engine: Literal["process", "thread"] = Field(
        default="process",
        description="Where the model runs: in a process of its own, which serves more requests, or "
        "in threads of the service, which takes less memory.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="Threads for the model on CPU, all replicas together; 0 takes the CPUs this "
        "process may use (affinity and cgroup quota).",
    )
    replicas: int = Field(
        default=0,
        ge=0,
        description="Batches that are decoded at the same time, with the same weights; 0 takes as "
        "many as there are threads, at most 4, and on a GPU 1.",
    )
    device_id: int = Field(default=0, ge=0, description="Which GPU.")
    gpu_memory_limit_mb: Positive | None = Field(
        default=None,
        description="Most GPU memory (MiB) that each of the two graphs may take; what sentences "
        "under way keep there comes on top. Unlimited by default.",
    )
    stuck_seconds: Seconds = Field(
        default=60.0,
        description="How long sentences may be under way without a step of the engine; after that, "
        "and when the engine has died, the process exits with 70.",
    )


class SchedulingSettings(_Group):
    """How requests share the model."""

    max_batch_tokens: Positive = Field(
        default=4096, description="Most padded source tokens in a batch: sentences × longest one."
    )
    max_batch_rows: Positive = Field(
        default=128, description="Most rows in a batch: the beam sizes of its sentences, added up."
    )
    max_bulk_rows: Positive = Field(
        default=32,
        description="The same for a batch of bulk sentences. A step of it is what an interactive "
        "sentence may have to wait for.",
    )
    max_joining_tokens: Positive = Field(
        default=128,
        description="Most source tokens of sentences that join a running batch between two steps.",
    )
    bulk_share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Share of the engine's time that bulk sentences get while interactive ones "
        "keep coming.",
    )
    bulk_from_sentences: Positive = Field(
        default=16, description="Requests of so many sentences are bulk unless they say otherwise."
    )
    max_waiting_items: Positive = Field(
        default=512, description="Most texts accepted and not yet answered; beyond it 503."
    )
    max_waiting_characters: Positive = Field(
        default=200_000, description="Most characters accepted and not yet answered; beyond it 503."
    )
    bulk_room: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="Share of these two that may be taken when bulk requests come in; the rest is "
        "kept for interactive ones.",
    )
    deadline_seconds: Seconds = Field(
        default=30.0, description="How long a request may take; after it 504."
    )


class CacheSettings(_Group):
    """Sentences that were translated lately."""

    max_mb: int = Field(
        default=32,
        ge=0,
        description="Memory for translated sentences, which are not decoded again (MiB); 0 keeps "
        "and shares none.",
    )


class DetectionSettings(_Group):
    """Finding out the language of a text."""

    enabled: bool = Field(
        default=True,
        description="Whether languages are detected, which source auto and POST /detect need.",
    )


class SuggestionSettings(_Group):
    """Better translations that users suggest."""

    file: OptionalPath = Field(
        default=None,
        description="File to which POST /suggest appends, as JSON lines; without one it is off.",
    )
    max_mb: Positive = Field(
        default=100, description="Size of that file from which suggestions are refused (MiB)."
    )


class DocumentSettings(_Group):
    """Files to be translated."""

    enabled: bool = Field(default=True, description="Whether documents are translated.")
    max_mb: Positive = Field(default=10, description="Largest document (MiB); beyond it 413.")
    max_expanded_mb: Positive = Field(
        default=100, description="Most that a document's archive may hold when unpacked (MiB)."
    )
    max_characters: Positive = Field(
        default=500_000, description="Most characters of text in a document; beyond it 413."
    )
    read_seconds: Positive = Field(
        default=20,
        description="Most processor time for reading a document, and for writing it (seconds).",
    )
    read_memory_mb: int = Field(
        default=512, ge=64, description="Most memory for reading or writing a document (MiB)."
    )
    max_waiting: Positive = Field(
        default=8, description="Most documents accepted and not yet translated; beyond it 503."
    )
    at_once: Positive = Field(default=2, description="Documents that are worked on at a time.")
    deadline_seconds: Seconds = Field(
        default=900.0, description="How long a document may take, with its waiting; after it 504."
    )
    keep_seconds: Seconds = Field(
        default=1800.0, description="How long a translated document can be fetched."
    )
    keep_files: Positive = Field(
        default=100, description="Most translated documents that are kept; the oldest go first."
    )
    keep_mb: Positive = Field(
        default=64, description="Memory for translated documents (MiB); the oldest go first."
    )


class PageSettings(_Group):
    """The page for people."""

    enabled: bool = Field(
        default=True,
        description="Whether / answers browsers by a page to translate with; else, and to whatever "
        "does not ask for HTML, it leads to /docs.",
    )


class GlossarySettings(_Group):
    """Glossaries that clients make."""

    directory: OptionalPath = Field(
        default=None,
        description="Folder in which glossaries are kept, as JSON files; without one there are "
        "none but those inside of requests.",
    )
    max_mb: Positive = Field(
        default=10, description="Size of all of them from which no more are taken (MiB)."
    )


class AccessSettings(_Group):
    """Who may come in."""

    keys_file: OptionalPath = Field(
        default=None,
        description="File of the clients' keys, which python -m service key makes. Without one, "
        "keys are ignored.",
    )
    keys_required: bool = Field(
        default=True,
        description="Whether requests without a key are refused where there is a file of keys.",
    )
    key_rates: str = Field(
        default="",
        description="Most requests of a key that has no rates of its own, such as "
        "60/minute;5000/day; beyond it 429. Empty: no limit.",
    )
    address_rates: str = Field(
        default="",
        description="The same for all requests without a good key that come from an address.",
    )
    characters_per_month: Positive | None = Field(
        default=None,
        description="Most characters in a month (UTC) that are translated for a key that has no "
        "number of its own. Unlimited by default.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins of web pages elsewhere that may use the service from a browser, "
        "separated by commas, such as https://example.org or that of a browser's extension, "
        "chrome-extension://ID; * allows all. Empty: none.",
    )
    usage_file: OptionalPath = Field(
        default=None,
        description="SQLite file in which the characters of each key are counted; without one they "
        "are counted from the start of the service.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        if value != "*" and not all(map(_ORIGIN.fullmatch, _listed(value))):
            raise ValueError("an origin is written like https://example.org, without a path")
        return value

    @property
    def origins(self) -> list[str]:
        """The origins one by one."""
        return _listed(self.cors_origins)


class TelemetrySettings(_Group):
    """What is told to other systems."""

    traces: bool = Field(
        default=False,
        description="Whether requests are traced by OpenTelemetry. Needs the extra otel; its own "
        "variables, such as OTEL_EXPORTER_OTLP_ENDPOINT, say where traces go.",
    )


class LimitSettings(_Group):
    """What one request may hold."""

    max_body_bytes: Positive = Field(default=1_048_576, description="Largest body; beyond it 413.")
    max_items: Positive = Field(default=128, description="Most texts in one request.")
    max_characters: Positive = Field(
        default=50_000, description="Most characters in one request, all texts together."
    )
    max_beam_size: Positive = Field(
        default=16, description="Largest beam_size a request may ask for."
    )


class DecodingSettings(_Group):
    """Options of requests that do not say."""

    beam_size: Positive = Field(
        default=4, description="Default beam_size; 1 is greedy and fastest."
    )
    length_penalty: float = Field(default=1.0, ge=-10, le=10, description="Default length_penalty.")
    max_decoding_length: Positive = Field(
        default=256, description="Default and largest max_decoding_length."
    )
    retry_repetitions: bool = Field(
        default=True,
        description="Default retry_repetitions: whether a sentence whose translation only repeats "
        "itself is translated once more without repetitions.",
    )

    def options(self) -> DecodingOptions:
        """The default options."""
        return DecodingOptions(
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            max_decoding_length=self.max_decoding_length,
        )


class Settings(BaseSettings):
    """All groups. Build it with load(), which also refuses unknown names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    server: ServerSettings = ServerSettings()
    model: ModelSettings = ModelSettings()
    models: ModelsSettings = ModelsSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    scheduling: SchedulingSettings = SchedulingSettings()
    cache: CacheSettings = CacheSettings()
    detection: DetectionSettings = DetectionSettings()
    suggestions: SuggestionSettings = SuggestionSettings()
    documents: DocumentSettings = DocumentSettings()
    page: PageSettings = PageSettings()
    glossaries: GlossarySettings = GlossarySettings()
    access: AccessSettings = AccessSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    limits: LimitSettings = LimitSettings()
    decoding: DecodingSettings = DecodingSettings()

    @model_validator(mode="after")
    def _allow_the_defaults(self) -> Self:
        if self.decoding.beam_size > self.limits.max_beam_size:
            raise ValueError(
                f"{PREFIX}DECODING__BEAM_SIZE must not be greater than "
                f"{PREFIX}LIMITS__MAX_BEAM_SIZE"
            )
        return self


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        InvalidSettings: a value is out of bounds, or a SEQ2SEQ_ variable names no setting.
    """
    _refuse_unknown_names()
    _refuse_both_directories()
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettings(_faults(error)) from error


def names() -> dict[str, str]:
    """Environment name → description, of every setting."""
    return {
        f"{PREFIX}{group.upper()}__{name.upper()}": field.description or ""
        for group, group_field in Settings.model_fields.items()
        for name, field in type(group_field.default).model_fields.items()
    }


def _refuse_unknown_names() -> None:
    # pydantic-settings ignores a misspelt variable of the top level.
    known = names()
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise InvalidSettings(f"Unknown settings: {', '.join(unknown)}. Known: {', '.join(known)}.")


def _refuse_both_directories() -> None:
    given = {name.upper() for name, value in os.environ.items() if value}
    one, several = f"{PREFIX}MODEL__DIRECTORY", f"{PREFIX}MODELS__DIRECTORY"
    if {one, several} <= given:
        raise InvalidSettings(f"Set {one} for one model or {several} for a folder of them.")


def _faults(error: ValidationError) -> str:
    return "; ".join(_fault(fault["loc"], fault["msg"]) for fault in error.errors())


def _fault(location: tuple[int | str, ...], message: str) -> str:
    # A fault between settings has no location; its message names them.
    name = "__".join(str(part) for part in location).upper()
    return f"{PREFIX}{name}: {message}" if name else message
