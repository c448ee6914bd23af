"""The translator of a service that has one model, or several, made of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.catalogue.catalogue import Catalogue
from service.catalogue.model import KnownModel, ServedModel
from service.catalogue.translator import Translator
from service.decoding.model import Target
from service.metrics import Metrics
from service.package.manifest import LanguagePair
from service.scheduling.admission import Admission
from service.scheduling.job import Decoder
from service.scorer import Scorer
from service.settings import ModelsSettings
from service.text.languages import Languages
from service.translator import ModelTranslator
from tests.service.api.reversing import Words

BULK_FROM = 3
TARGET = Target(start=-1, end=-2, vocabulary=1000, max_length=50)


@dataclass
class Served:
    """Models that are always there."""

    known: Sequence[KnownModel]
    decoder: Decoder
    metrics: Metrics
    fixed: str | None = None

    def at_start(self) -> Sequence[KnownModel]:
        return self.known

    def versions(self) -> Mapping[str, Sequence[str]]:
        return {one.name: [one.version] for one in self.known}

    def find(self, name: str, version: str | None, variant: str | None) -> KnownModel:
        found = next(one for one in self.known if one.name == name)
        return replace(found, version=version or found.version)

    def load(self, known: KnownModel) -> ServedModel:
        text = Words()
        return ServedModel(
            known=known,
            description=known.described(),
            key=known.name,
            translator=ModelTranslator(
                text=text,
                decoder=self.decoder,
                metrics=self.metrics,
                bulk_from_sentences=BULK_FROM,
                attention=known.attention,
            ),
            scorer=Scorer(text=text, decoder=self.decoder, target=TARGET),
        )

    def unload(self, model: ServedModel) -> None:
        raise AssertionError("nothing takes its place")


def known(name: str, *pairs: str, attention: bool = True, size: int = 0) -> KnownModel:
    """A model of these pairs (`fr-en`)."""
    return KnownModel(
        name=name,
        version="1",
        variant="fp32",
        precision="fp32",
        device="cpu",
        languages=Languages([pair(one) for one in pairs]),
        attention=attention,
        bytes=size,
    )


def pair(codes: str) -> LanguagePair:
    """`fr-en`."""
    source, _, target = codes.partition("-")
    return LanguagePair(source=source, target=target)


def translator_of(
    decoder: Decoder,
    admission: Admission,
    *models: str,
    attention: bool = True,
    pivots: str = "en",
) -> Translator:
    """With the words of the reversing model.

    models: the pair of each; from fr to en, if there are none.
    """
    metrics = Metrics()
    served = [known(one, one, attention=attention) for one in models or ("fr-en",)]
    settings = ModelsSettings(directory=Path("models"), pivots=pivots)
    catalogue = Catalogue(Served(served, decoder, metrics), settings, metrics)
    catalogue.start()
    return Translator(catalogue, admission)
