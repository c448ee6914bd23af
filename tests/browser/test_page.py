"""The page at / as people use it: with a mouse, with the keyboard alone, dark, narrow."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import TEXT, Open, translated

SENTENCES = "\n".join(f"Il a acheté {number} livres hier." for number in range(2, 52))


def marked(page: Page, where: str) -> list[str]:
    return list(page.locator(f"{where} .word.marked").all_inner_texts())


def active(page: Page) -> Any:
    """What has the focus: its id, or what it is."""
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def test_a_text_is_translated_while_it_is_typed(visit: Open, url: str) -> None:
    page = visit()
    page.locator("#source").press_sequentially("Le chat dort.")
    expect(page.locator("#target")).to_have_text("The cat sleeps.")
    expect(page.locator("#from option:checked")).to_have_text("French, detected")
    expect(page.locator("#count")).to_have_text("13 / 50,000")


def test_all_that_is_no_sentence_stays(visit: Open, url: str) -> None:
    page = visit()
    found = translated(page)
    reply = httpx.post(f"{url}/translate", json={"q": TEXT, "source": "fr", "target": "en"})
    assert found == reply.json()["translatedText"]
    assert "\n\n😀\n" in found


def test_sentences_show_before_the_last_one_is_done(visit: Open) -> None:
    page = visit()
    page.evaluate(
        """() => {
          window.counts = [];
          new MutationObserver(() => counts.push(document.querySelectorAll('.sentence').length))
            .observe(document.getElementById('target'), {childList: true});
        }"""
    )
    translated(page, SENTENCES)
    counts = page.evaluate("window.counts")
    assert counts[-1] == 50
    assert len(set(counts)) > 5
    marks = page.evaluate("performance.getEntriesByType('mark').map((mark) => mark.name)")
    assert marks == ["translate", "first-sentence"]


def test_the_last_text_wins(visit: Open) -> None:
    page = visit()
    page.fill("#source", SENTENCES)
    page.evaluate("document.getElementById('to').dispatchEvent(new Event('change'))")
    assert translated(page, "Le chat dort.") == "The cat sleeps."
    page.click("#clear")
    expect(page.locator("#target")).to_have_text("")
    expect(page.locator("#copy")).to_be_disabled()
    assert active(page) == "source"


def test_words_are_marked_on_both_sides(visit: Open) -> None:
    page = visit()
    translated(page, "😀 Le chat noir dort.\n" + TEXT)
    page.hover("#target .word >> text=black >> nth=0")
    assert "noir" in marked(page, "#mirror")
    assert marked(page, "#target") == ["black"]
    word = page.locator("#mirror .word >> text=/^chat$/ >> nth=1").bounding_box()
    assert word is not None
    page.mouse.move(word["x"] + word["width"] / 2, word["y"] + word["height"] / 2)
    assert (marked(page, "#mirror"), marked(page, "#target")) == (["chat"], ["cat"])
    page.hover("#target .word >> text={quantité}")
    assert marked(page, "#mirror") == ["{quantité}"]
    page.mouse.move(1, 1)
    assert marked(page, "main") == []


def test_the_mirror_lies_where_the_text_is(visit: Open) -> None:
    for width in (1200, 320):
        page = visit(width=width)
        translated(page, SENTENCES)
        source, mirror = (page.locator(one).bounding_box() for one in ("#source", "#mirror"))
        assert source == mirror
        lines = "(one) => [one.scrollHeight, one.clientHeight, getComputedStyle(one).font]"
        texts = page.locator("#source").evaluate(lines), page.locator("#mirror").evaluate(lines)
        assert texts[0] == texts[1]
        assert texts[0][0] == texts[0][1]


def test_another_translation_of_a_sentence_can_be_chosen(visit: Open) -> None:
    page = visit()
    before = translated(page)
    page.click("#target .sentence >> nth=1")
    expect(page.locator("#sentence-title")).to_have_text("Sentence 2 of 3")
    expect(page.locator(".hypothesis")).to_have_count(4)
    other = page.locator(".hypothesis-text >> nth=1").inner_text()
    page.locator(".hypothesis >> nth=1").click()
    after = page.locator("#target").inner_text()
    assert other in after
    assert other not in before
    page.click("#copy")
    assert page.evaluate("navigator.clipboard.readText()") == after


def test_attention_is_a_table(visit: Open) -> None:
    page = visit()
    translated(page, "Le chat dort.")
    page.click("#look")
    page.wait_for_selector("#attention-table td")
    cells = page.locator("#attention-table tbody td")
    columns = page.locator("#attention-table thead th").all_inner_texts()
    rows = page.locator("#attention-table tbody th").all_inner_texts()
    assert columns[-1] == "</s>"
    assert "".join(rows).startswith("The")
    percents = [int(one.removesuffix(" %")) for one in cells.all_text_contents()]
    assert len(percents) == len(rows) * len(columns)
    assert all(95 <= sum(percents[row * len(columns) :][: len(columns)]) <= 105
               for row in range(len(rows)))  # fmt: skip


def test_the_keyboard_alone_is_enough(visit: Open) -> None:
    page = visit()
    press = page.keyboard.press
    press("Tab")
    assert active(page) == "Skip to the text"
    press("Enter")
    page.keyboard.insert_text("Le chat noir dort. Où est la gare ?")
    expect(page.locator("#status")).to_contain_text("Translated 2 sentences")
    press("Home")
    for _ in range(4):
        press("ArrowRight")
    expect(page.locator("#mirror .marked")).to_have_text("chat")
    expect(page.locator("#target .marked")).to_have_text("cat")
    stops = []
    for _ in range(4):
        press("Tab")
        stops.append(active(page))
    assert stops == ["file", "clear", "target", "look"]
    press("Enter")
    expect(page.locator("#sentence-title")).to_be_focused()
    expect(page.locator(".hypothesis")).to_have_count(4)
    press("Tab")
    assert active(page) == "next"  # there is no sentence before the first
    press("Enter")
    expect(page.locator("#sentence-title")).to_have_text("Sentence 2 of 2")
    expect(page.locator("#sentence[aria-busy=false]")).to_be_visible()
    page.focus("#close")
    press("Tab")
    press("ArrowDown")
    chosen = page.locator(".hypothesis:has(:checked) .hypothesis-text").inner_text()
    assert page.locator("#target").inner_text().endswith(chosen)
    expect(page.locator("#status")).to_have_text("Sentence 2 changed")
    press("Escape")
    assert active(page) == "look"
    expect(page.locator("#sentence")).to_be_hidden()


def test_the_focus_follows_the_page(visit: Open) -> None:
    page = visit()
    translated(page, "Le chat dort.")
    page.focus(".skip")
    stops = [active(page)]
    for _ in range(10):
        page.keyboard.press("Tab")
        stops.append(active(page))
    assert stops == [
        "Skip to the text", "API", "theme", "from", "to", "source", "file", "clear", "target",
        "look", "copy",
    ]  # fmt: skip


def test_what_screen_readers_are_told(visit: Open, problems: list[str]) -> None:
    page = visit()
    status = page.get_by_role("status")
    translated(page, "Le chat dort.")
    expect(status).to_have_text("Translated 1 sentence: The cat sleeps.")
    assert page.locator("#target").get_attribute("lang") == "en"
    assert page.locator("#source").get_attribute("lang") == "fr"
    expect(page.get_by_role("textbox", name="Text to translate")).to_be_visible()
    for name in ("From", "To"):
        expect(page.get_by_label(name, exact=True)).to_be_visible()
    page.fill("#source", "a" * 50_001)
    expect(page.get_by_role("alert")).to_contain_text("exceeds text limit (50000)")
    (said,) = problems  # browsers themselves say that there was a 400
    assert said.startswith("Failed to load resource")
    problems.clear()
    assert translated(page, "Le chat dort.") == "The cat sleeps."
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_theme_is_chosen_and_kept(visit: Open, scheme: str) -> None:
    page = visit(scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", str(scheme == "dark").lower())
    button.click()
    after = page.evaluate(ground)
    assert before != after
    page.reload()
    assert page.evaluate(ground) == after
    expect(button).to_have_attribute("aria-pressed", str(scheme != "dark").lower())


def test_it_fits_into_a_narrow_window(visit: Open) -> None:
    page = visit(width=320)
    page.select_option("#from", "fr")
    translated(page, TEXT + " " + "mot" * 200)
    page.click("#look")
    page.wait_for_selector("#attention-table td")
    root = "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
    width, window = page.evaluate(root)
    assert width <= window


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 375])
def test_axe_finds_nothing(visit: Open, scheme: str, width: int) -> None:
    page = visit(width=width, scheme=scheme)
    assert found_by_axe(page) == []
    translated(page)
    page.click("#look")
    page.wait_for_selector("#attention-table td")
    assert found_by_axe(page) == []


def found_by_axe(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [f"{one['impact']}: {one['help']} {one['nodes'][0]['target']}" for one in violations]


def test_files_are_taken_if_the_service_takes_any(visit: Open, url: str) -> None:
    settings = httpx.get(f"{url}/frontend/settings").json()
    page = visit()
    if not settings["filesTranslation"]:
        expect(page.locator("#file-choice")).to_be_hidden()
        return
    content = {"name": "chat.txt", "mimeType": "text/plain", "buffer": b"Le chat dort."}
    page.set_input_files("#file", content)
    link = page.get_by_role("link", name="Download the translation of chat.txt")
    # Relative: behind a proxy the URL that the service tells may lead elsewhere.
    link.wait_for()  # longer than expect() does, as the first document starts a process
    expect(link).to_have_attribute("href", re.compile("^download_file/[^/]+$"))
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_text(encoding="utf-8") == "The cat sleeps."


def test_the_documentation_needs_no_network(visit: Open) -> None:
    page = visit("/docs")
    page.get_by_text("Translate texts", exact=True).click()
    expect(page.get_by_text(re.compile("Server-Sent Events")).first).to_be_visible()
