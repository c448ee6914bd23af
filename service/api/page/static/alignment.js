// The text and its translation side by side, word by word.
//
// The text is written in a textarea, in which nothing can be marked. Behind it lies a mirror, the
// same text laid out in the same way, whose words are marked instead.

import { element, places } from "./text.js";

export class Alignment {
  #mirror;
  #target;
  #marked = [];
  #source = "";
  #place = null;
  #position = 0;
  #tail = null;

  constructor(mirror, target) {
    this.#mirror = mirror;
    this.#target = target;
  }

  /** Show a text that has no translation yet. The old translation stays until begin(). */
  write(text) {
    this.#unmark();
    this.#tail = document.createTextNode(text);
    // The last line break of a block is not shown unless something follows.
    this.#mirror.replaceChildren(this.#tail, "\u200b");
  }

  /** Begin to show the translation of a text. */
  begin(text) {
    this.write(text);
    this.#source = text;
    this.#place = places(text);
    this.#position = 0;
    this.#target.replaceChildren();
  }

  /** Show the next sentence; its element in the translation. */
  add(sentence, index) {
    const [start, end] = sentence.source_range.map(this.#place);
    const kept = this.#source.slice(this.#position, start);
    this.#target.append(kept);
    this.#tail.before(kept);
    const links = (sentence.alignments ?? []).map((one) => ({
      source: one.source.map(this.#place),
      target: one.target,
    }));
    const text = sentence.translations[0].text;
    const inTarget = places(text);
    const offset = sentence.target_range[0];
    const words = links.map((one) => one.target.map((place) => inTarget(place - offset)));
    const shown = element("span", { className: "sentence" });
    const behind = element("span");
    const sources = fill(behind, this.#source, start, end, links.map((one) => one.source));
    const targets = fill(shown, text, 0, text.length, words);
    links.forEach((one, place) => link(sources.get(String(one.source)), targets.get(String(words[place]))));
    shown.dataset.index = index;
    this.#target.append(shown);
    this.#tail.before(behind);
    this.#tail.data = this.#source.slice(end);
    this.#position = end;
    return shown;
  }

  /** Show what follows the last sentence. */
  finish() {
    this.#target.append(this.#source.slice(this.#position));
  }

  /** Mark a word and those that belong to it; null marks none. */
  mark(word) {
    if (word === this.#marked[0]) return;
    this.#unmark();
    if (!word) return;
    this.#marked = [word, ...word.partners];
    for (const one of this.#marked) one.classList.add("marked");
    for (const one of word.partners) this.#reveal(one);
  }

  /** The word of the text under a point. */
  wordAt(x, y) {
    return document
      .elementsFromPoint(x, y)
      .find((one) => one.className.startsWith?.("word") && this.#mirror.contains(one));
  }

  /** The word of the text that holds a place of it. */
  wordHolding(place) {
    return [...this.#mirror.querySelectorAll(".word")].find(
      (one) => one.range[0] <= place && place <= one.range[1],
    );
  }

  /** Scroll the part of the page that holds a word, and nothing else, until it shows. */
  #reveal(word) {
    const pane = this.#target.contains(word) ? this.#target : this.#mirror.parentElement;
    const [seen, inside] = [pane.getBoundingClientRect(), word.getBoundingClientRect()];
    if (inside.top < seen.top) pane.scrollTop += inside.top - seen.top;
    if (inside.bottom > seen.bottom) pane.scrollTop += inside.bottom - seen.bottom;
  }

  #unmark() {
    for (const one of this.#marked) one.classList.remove("marked");
    this.#marked = [];
  }
}

/** Put text[start, end) into an element with a span for each range; the spans by range. */
function fill(parent, text, start, end, ranges) {
  const found = new Map();
  let position = start;
  for (const range of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (found.has(String(range))) continue;
    parent.append(text.slice(position, range[0]));
    const word = element("span", { className: "word", textContent: text.slice(...range) });
    word.range = range;
    word.partners = new Set();
    parent.append(word);
    found.set(String(range), word);
    position = range[1];
  }
  parent.append(text.slice(position, end));
  return found;
}

function link(first, second) {
  first.partners.add(second);
  second.partners.add(first);
}
