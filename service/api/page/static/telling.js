// What the page says about what it does: a status, which screen readers read out, and errors.

const SPOKEN = 200; // characters of a translation that is read out as a whole

export class Teller {
  #status;
  #error;

  constructor(status, error) {
    this.#status = status;
    this.#error = error;
  }

  /** Show a status; an empty one shows none. */
  say(text) {
    this.#status.replaceChildren(text);
  }

  /** Say that a translation is complete. Screen readers are told a short one. */
  done(reply, sentences, language) {
    const parts = [`Translated ${sentences.length === 1 ? "1 sentence" : `${sentences.length} sentences`}`];
    if (sentences.some((one) => one.told.translations[0].finish_reason === "length")) {
      parts.push("one was too long and lacks its end");
    }
    if (reply.detectedLanguage?.confidence < 50) parts.push("the language is a guess");
    this.say(parts.join("; "));
    const text = reply.translatedText;
    if (text.length > SPOKEN) return;
    const spoken = document.createElement("span");
    Object.assign(spoken, { className: "visually-hidden", lang: language, textContent: `: ${text}` });
    this.#status.append(spoken);
  }

  /** Show an error; null: it is over. */
  fail(error) {
    this.#error.hidden = !error;
    this.#error.textContent = error ? message(error) : "";
    if (error) this.say("");
  }
}

function message(error) {
  if (error.status === undefined) return "The service cannot be reached. Is it still running?";
  return error.message
    .replace(/^Invalid request: /, "")
    .replace(/^./, (first) => first.toUpperCase());
}
