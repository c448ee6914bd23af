"""Subtitles: cues keep their times, and get the words that are theirs."""

from __future__ import annotations

from datetime import timedelta
from html import escape, unescape

import pytest
import srt
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidDocument
from tests.service.documents.reading import contents, filled, translated
from tests.service.text.any_model import AnyModel

FILE = """1
00:00:01,000 --> 00:00:02,000
<i>Je pense que</i>

2
00:00:02,500 --> 00:00:03,000 X1:0 X2:9
tu as raison,
mon ami.

3
00:00:04,000 --> 00:00:05,000
- Oui !
- Non {\\an8}merci.
"""


def test_what_is_translated_together() -> None:
    first, second = contents(".srt", FILE).texts
    assert first == "<x-0>Je pense que</x-0> <img id=2>tu as raison, <img id=3>mon ami."
    assert second == "- Oui !<hr id=0>- Non <img id=1>merci."


def test_a_sentence_comes_back_within_its_cues() -> None:
    """The reversing model's second cue goes first, so the bound between them is what counts."""
    found = list(srt.parse(translated(".srt", FILE).decode()))
    assert all(cue.content.strip() for cue in found)
    words = " ".join(cue.content for cue in found[:2]).replace("<i>", "").replace("</i>", "")
    words = words.replace("\n", " ")
    expected = "Je pense que tu as raison, mon ami."
    assert sorted(words.split(" ")) == sorted(expected.split(" "))
    assert found[2].content == "- ! Oui\n- {\\an8}merci. Non"


def test_a_cue_that_would_be_empty_gets_its_share() -> None:
    lost = "<x-0>I think</x-0> that you are <img id=3>right<img id=2>"
    first, second = contents(".srt", FILE).texts
    found = contents(".srt", FILE).filled([lost, second], "en").decode()
    cues = [cue.content for cue in srt.parse(found)]
    assert cues[:2] == ["<i>I think</i> that", "you are\nright"]
    assert first.count("img") == 2


def test_identity() -> None:
    for text in (FILE, FILE.replace("\n", "\r\n")):
        assert filled(".srt", text).decode() == text


LINES = (
    *("je dors", "Je dors.", "tu manges,", "<b>un</b> mot", "</i>", "<i>", "-->x", "- Oui"),
    *("{\\an1}", "12", "a & b", "<", "<font color='x y'>un</font>"),
)
cues = st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=3), max_size=6)


@given(cues, st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_times_and_numbers_stay(parts: list[list[str]], seed: int) -> None:
    subtitles = [
        srt.Subtitle(
            number, timedelta(seconds=number), timedelta(seconds=number + 1), "\n".join(lines)
        )
        for number, lines in enumerate(parts, 1)
    ]
    found = list(srt.parse(translated(".srt", srt.compose(subtitles), AnyModel(seed)).decode()))
    assert [(cue.index, cue.start, cue.end) for cue in found] == [
        (cue.index, cue.start, cue.end) for cue in subtitles
    ]


VTT = """WEBVTT - un titre

NOTE une note
--

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start
<v Jean>le chat</v> &amp; lui <00:01.500>dort
"""


def test_webvtt() -> None:
    found = translated(".vtt", VTT).decode()
    assert found == VTT.replace(
        "<v Jean>le chat</v> &amp; lui <00:01.500>dort",
        "<00:01.500>dort lui &amp; <v Jean>chat le</v>",
    )


@pytest.mark.parametrize(("extension", "text"), [(".srt", "un mot"), (".vtt", FILE)])
def test_what_are_no_subtitles_is_refused(extension: str, text: str) -> None:
    with pytest.raises(InvalidDocument):
        contents(extension, text)


@pytest.mark.parametrize(
    ("written", "shown", "expected"),
    [
        ("J&#39;aime le chat.", "J'aime le chat.", "J'AIME LE CHAT."),
        ("&quot;L&rsquo;&eacute;t&#xE9;&quot;", '"L’été"', '"L’ÉTÉ"'),
        (
            "un &amp; deux &lt;b&gt; &#60;i&#62;",
            "un & deux <b> <i>",
            "UN &amp; DEUX &lt;B&gt; &lt;I&gt;",
        ),
        ("un&nbsp;mot &amp;eacute;", "un\xa0mot &eacute;", "UN\xa0MOT &amp;EACUTE;"),
        ("un&#10;&#13;&#10;mot --&gt; deux", "un mot --> deux", "UN MOT --&gt; DEUX"),
    ],
)
def test_character_references_of_webvtt(written: str, shown: str, expected: str) -> None:
    file = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{written}\n"
    (text,) = contents(".vtt", file).texts
    assert unescape(text) == shown
    found = filled(".vtt", file, lambda text: escape(unescape(text).upper(), quote=False))
    assert found.decode() == file.replace(written, expected)


def test_subrip_has_no_character_references() -> None:
    file = FILE.replace("Oui", "&eacute; &#39; &")
    assert filled(".srt", file).decode() == file
