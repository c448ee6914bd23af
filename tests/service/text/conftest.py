from __future__ import annotations

import pytest

from tests.service.text.small_vocabularies import SmallVocabularies, make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallVocabularies:
    """Vocabularies that were trained and converted for this test run."""
    return make(tmp_path_factory.mktemp("vocabularies"))
