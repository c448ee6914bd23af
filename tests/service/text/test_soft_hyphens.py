"""Soft hyphens: no model sees them, and what is not translated keeps them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Format, Splitting
from service.text.document import document
from service.text.segmenter import segments
from service.text.soft_hyphens import SOFT_HYPHEN
from tests.service.text.any_model import translated

PARTS = ("gou", "ver", SOFT_HYPHEN, "&shy;", "{na\u00adme}", " ", ". ", "\n", "<b>", "</b>", "12")


@pytest.mark.parametrize("splitting", [Splitting.LINES, Splitting.WRAPPED, Splitting.NONE])
def test_sentences_have_none(splitting: Splitting) -> None:
    text = "\u00adLe gou\u00adver\u00adne\u00adment dort\u00ad.\n\n12\u00ad"
    found = document(text, Format.TEXT, splitting=splitting).segments(
        lambda one: segments(one, "fr")
    )
    assert [one.text for one in found if one.translatable] == ["Le gouvernement dort."]
    assert "".join(one.text for one in found if not one.translatable).endswith("12\u00ad")


@given(st.lists(st.sampled_from(PARTS), max_size=20), st.sampled_from(Format), st.integers(0, 99))
def test_placeholders_keep_theirs(parts: list[str], form: Format, seed: int) -> None:
    text = "".join(parts)
    if form is Format.XML:
        text = text.replace("&shy;", "").replace("<b>", "").replace("</b>", "")
    found = translated(text, seed, form=form)
    assert found.count("{na\u00adme}") == text.count("{na\u00adme}")
