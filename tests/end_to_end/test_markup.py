"""Text that must survive its translation, over HTTP and with the default model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.opening import open_model_directory
from service.settings import ModelSettings, Settings
from service.text import placeholders
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import FR_EN, live_server

SPANS = ("{name}", "%s", "%(name)s", "%1$d", "${x}", "{{x}}", "<0/>", "https://a.b/c?d=1", "a@b.fr")
SENTENCES = (
    "Bonjour {}, comment allez-vous ?",
    "Le fichier {} n'existe pas.",
    "Vous avez {} nouveaux messages.\r\n\r\n\tCliquez sur {} pour continuer.  ",
    "Votre commande {} a été expédiée le {}.",
    "Page {} sur {}",
    "{}",
    "Impossible d'ouvrir {} : accès refusé. {} et {} sont maintenant amis.",
)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    settings = Settings(model=ModelSettings(directory=DEFAULT_MODEL))
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def translate(client: httpx.Client, q: object, **more: Any) -> Any:
    response = client.post("/translate", json={"q": q, **FR_EN, **more})
    assert response.status_code == 200, response.text
    return response.json()


def filled(sentence: str, spans: Iterator[str]) -> str:
    return re.sub(r"\{\}", lambda _: next(spans), sentence)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_every_placeholder_survives(client: httpx.Client, beam_size: int) -> None:
    spans = iter(SPANS * len(SENTENCES) * len(SPANS))
    texts = [filled(sentence, spans) for sentence in SENTENCES for _ in SPANS]
    answer = translate(client, texts, beam_size=beam_size, alternatives=0)
    for text, translated in zip(texts, answer["translatedText"], strict=True):
        assert placeholders.same(text, translated), (text, translated)
        lines = r"^\s+|\s+$|\s*\n\s*"
        assert re.findall(lines, translated) == re.findall(lines, text)


def test_a_placeholder_has_its_place_in_the_sentence(client: httpx.Client) -> None:
    assert translate(client, "{a} et {b} sont maintenant amis.")["translatedText"] == (
        "{a} and {b} are now friends."
    )


def test_alternatives_have_the_placeholders_too(client: httpx.Client) -> None:
    text = "Le fichier {name} n'existe pas."
    answer = translate(client, text, alternatives=3)
    assert len(answer["alternatives"]) > 1
    for translated in (answer["translatedText"], *answer["alternatives"]):
        assert placeholders.same(text, translated)


def test_they_can_be_left_to_the_model(client: httpx.Client) -> None:
    text = "Le fichier {name} n'existe pas."
    answer = translate(client, text, protect_placeholders=False, replace_unknowns=False)
    assert "{name}" not in answer["translatedText"]


def test_what_the_model_does_not_know_stays(client: httpx.Client) -> None:
    text = "Merci et à demain, Łódź !"
    assert "Łódź" in translate(client, text)["translatedText"]
    left_out = translate(client, text, replace_unknowns=False)["translatedText"]
    assert "Łódź" not in left_out


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Bravo 👏🏽 Tu as gagné 🏆.", "Bravo 👏🏽 You won 🏆."),
        ("✓ Le chat noir dort.\n😀", "✓ The black cat sleeps.\n😀"),
        (
            "Le chat 🐈 dort sur le canapé 🛋️, et le chien 🐕 dans le jardin.",
            "The cat 🐈 sleeps on the sofa 🛋️, and the dog 🐕 in the garden.",
        ),
    ],
)
def test_emoji_stay_where_they_belong(client: httpx.Client, source: str, target: str) -> None:
    assert translate(client, source)["translatedText"] == target


def test_emoji_can_be_left_to_the_model(client: httpx.Client) -> None:
    options = {"protect_placeholders": False, "replace_unknowns": False}
    assert (
        "👏🏽" not in translate(client, "Bravo 👏🏽 Tu as gagné 🏆.", **options)["translatedText"]
    )


def test_texts_without_any_are_translated_as_without(client: httpx.Client) -> None:
    text = "Le chat dort. Il y a 100 % de chats ici, à 9 h 30 !"
    found = [
        translate(client, text, protect_placeholders=protect, return_scores=True)
        for protect in (True, False)
    ]
    assert found[0] == found[1]


PAGE = """<!DOCTYPE html>\r
<html lang=fr><head><title>Le chat dort</title><style>p { color: red }</style></head>
<body class="a b"><!-- Bonjour -->
<p>Le <b>chat</b> dort sur le <i title="un &quot;lit&quot;">grand lit</i>.  Il est 10&nbsp;h.</p>
<pre>Le chat\n  dort.</pre><ul><li>Merci &amp; bonjour<li><code>chat</code></ul>
<script>if (a < b) { le("chat") }</script></body></html>
"""


def test_a_page_keeps_its_markup(client: httpx.Client) -> None:
    found = translate(client, PAGE, format="html")["translatedText"]
    markup = r"<script.*?</script>|<style.*?</style>|<pre.*?</pre>|<code.*?</code>|<[^>]*>"
    assert re.findall(markup, found, re.DOTALL) == re.findall(markup, PAGE, re.DOTALL)
    assert "The <b>cat</b>" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>Tom</b> aime <i>Marie</i>.", "<b>Tom</b> likes <i>Mary</i>."),
        ("<p>Le chat dort.</p>\n", "<p>The cat sleeps.</p>\n"),
        ("<p class=notranslate>Le chat dort.</p>", "<p class=notranslate>Le chat dort.</p>"),
        ("1 &lt; 2", "1 &lt; 2"),
    ],
)
def test_html(client: httpx.Client, text: str, expected: str) -> None:
    assert translate(client, text, format="html")["translatedText"] == expected


def test_html_and_text_can_have_alternatives(client: httpx.Client) -> None:
    answer = translate(client, "Où est <a href=x>la gare</a> ?", format="html", alternatives=2)
    assert all(one.count("<a href=x>") == 1 for one in answer["alternatives"])
