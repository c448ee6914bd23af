// A sentence of the translation seen closely: its other translations, and what it attended to.

import { send } from "./client.js";
import { element } from "./text.js";

const HYPOTHESES = 4;
/** What to ask for, most first: a model may have no attention, a service no such beams. */
const WISHES = [
  { beam_size: HYPOTHESES, num_hypotheses: HYPOTHESES, return_scores: true, return_attention: true },
  { beam_size: HYPOTHESES, num_hypotheses: HYPOTHESES, return_scores: true },
  { return_scores: true },
];

/** The hypotheses of a sentence, best first; `source_tokens` besides if there is attention. */
export async function lookClosely(request, signal) {
  for (const wish of WISHES) {
    try {
      const { sentences } = await send("translate", { ...request, ...wish }, signal);
      return sentences.length === 1 ? sentences[0] : { translations: [] };
    } catch (error) {
      if (error.status !== 400 || wish === WISHES.at(-1)) throw error;
    }
  }
}

/** Radio buttons for the hypotheses; `choose` is called with the text of the chosen one. */
export function showHypotheses(list, translations, current, language, choose) {
  const texts = translations.filter(
    (one, index) => translations.findIndex((other) => other.text === one.text) === index,
  );
  if (!texts.some((one) => one.text === current)) texts.unshift({ text: current });
  list.replaceChildren(...texts.map((one) => hypothesis(one, current, language, choose)));
}

function hypothesis({ text, score }, current, language, choose) {
  const radio = element("input", {
    type: "radio",
    name: "hypothesis",
    checked: text === current,
    onchange: () => choose(text),
  });
  const shown = element("span", { className: "hypothesis-text", textContent: text, lang: language });
  const label = element("label", { className: "hypothesis" }, radio, shown);
  if (score !== undefined) {
    const told = element("span", { className: "score", textContent: score.toFixed(2) });
    told.title = "Log-probability, divided by the length";
    label.append(told);
  }
  return label;
}

/** A table of (tokens of the translation, tokens of the text). */
export function showAttention(table, tokens, sourceTokens, attention) {
  const head = element("tr", {}, element("td", { className: "corner" }));
  for (const token of sourceTokens) {
    head.append(element("th", { scope: "col" }, element("span", { textContent: spelled(token) })));
  }
  const rows = tokens.map((token, row) => {
    const cells = attention[row].map(cell);
    return element("tr", {}, element("th", { scope: "row", textContent: spelled(token) }), ...cells);
  });
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

function cell(weight) {
  const percent = `${Math.round(weight * 100)} %`;
  const made = element("td", { title: percent });
  made.append(element("span", { className: "visually-hidden", textContent: percent }));
  made.style.setProperty("--weight", weight.toFixed(3));
  return made;
}

/** SentencePiece marks the beginning of words, byte-level BPE the space before them. */
function spelled(token) {
  return token.replace(/^[▁Ġ]/, "") || "␣";
}
