// The part of the page that shows a sentence of the translation closely.

import { lookClosely, showAttention, showHypotheses } from "./sentence.js";

const $ = (id) => document.getElementById(id);

export class Panel {
  #sentences = [];
  #current = null;
  #work = new AbortController();
  #ask;
  #chosen;
  #failed;

  /**
   * ask: what to send besides the text; chosen: called when another translation was chosen, with
   * the number of the sentence; failed: called with errors.
   */
  constructor(ask, chosen, failed) {
    this.#ask = ask;
    this.#chosen = chosen;
    this.#failed = failed;
    $("previous").addEventListener("click", () => this.open(this.#current - 1));
    $("next").addEventListener("click", () => this.open(this.#current + 1));
    $("close").addEventListener("click", () => this.#leave());
    $("sentence").addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#leave();
    });
  }

  /** The sentences there are, {told, shown, text} each; nothing is open. */
  set sentences(sentences) {
    this.close();
    this.#sentences = sentences;
  }

  /** Show a sentence; by default the one that is shown already, or the first. */
  async open(index = this.#current ?? 0) {
    this.#work.abort();
    this.#work = new AbortController();
    const { signal } = this.#work;
    this.#current = index;
    const { source, target, ...key } = this.#ask();
    this.#show(source, target);
    $("sentence").ariaBusy = "true";
    try {
      const q = this.#sentences[index].told.source;
      const found = await lookClosely({ q, source, target, ...key }, signal);
      if (!signal.aborted) this.#fill(found, target);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    } finally {
      if (!signal.aborted) $("sentence").ariaBusy = "false";
    }
  }

  /** Show none. */
  close() {
    this.#work.abort();
    this.#current = null;
    $("sentence").hidden = true;
    for (const one of this.#sentences) one.shown.classList.remove("chosen");
  }

  #show(source, target) {
    const { told } = this.#sentences[this.#current];
    this.#sentences.forEach((one, index) =>
      one.shown.classList.toggle("chosen", index === this.#current),
    );
    $("sentence-title").textContent = `Sentence ${this.#current + 1} of ${this.#sentences.length}`;
    $("sentence-source").textContent = told.source;
    $("sentence-source").lang = source ?? "";
    $("previous").disabled = this.#current === 0;
    $("next").disabled = this.#current === this.#sentences.length - 1;
    $("sentence").hidden = false;
    this.#offer(told.translations, target);
  }

  #fill(found, target) {
    this.#offer(found.translations, target);
    $("attention").hidden = !found.source_tokens;
    if (!found.source_tokens) return;
    const [{ tokens, attention }] = found.translations;
    showAttention($("attention-table"), tokens, found.source_tokens, attention);
  }

  #offer(translations, language) {
    const sentence = this.#sentences[this.#current];
    const index = this.#current;
    showHypotheses($("hypothesis-list"), translations, sentence.text, language, (text) => {
      sentence.text = text;
      sentence.shown.replaceChildren(text);
      this.#chosen(index);
    });
  }

  #leave() {
    this.close();
    $("look").focus();
  }
}
