// The page: what happens when.

import { Alignment } from "./alignment.js";
import { events, read } from "./client.js";
import { takeFiles, translateFile } from "./files.js";
import { Languages } from "./languages.js";
import { lookClosely, showAttention, showHypotheses } from "./sentence.js";
import { length } from "./text.js";

const SPOKEN = 200; // characters of a translation that is read out as a whole
const $ = (id) => document.getElementById(id);
const source = $("source");
const target = $("target");

const [settings, listing] = await Promise.all([read("frontend/settings"), read("languages")]);
const languages = new Languages($("from"), $("to"), $("swap"), listing, settings.language);
const alignment = new Alignment($("mirror"), target);

let sentences = []; // {told, shown, text}
let whole = ""; // the translation as a string
let chosen = null; // index of the sentence that is looked at
let waiting; // timer
let work = new AbortController();
let look = new AbortController();

// ---- translating ----

function later() {
  clearTimeout(waiting);
  work.abort();
  waiting = setTimeout(translate, settings.frontendTimeout);
}

async function translate() {
  clearTimeout(waiting);
  work.abort();
  work = new AbortController();
  const { signal } = work;
  const text = source.value;
  closeSentence();
  tellError(null);
  if (!text.trim()) return clearTranslation(text);
  target.ariaBusy = "true";
  tell("Translating…");
  performance.clearMarks();
  performance.mark("translate");
  try {
    await show(text, events("translate", request(text), signal), signal);
  } catch (error) {
    if (!signal.aborted) tellError(error);
  } finally {
    if (work.signal === signal) target.ariaBusy = "false";
  }
}

/** What is asked for a text. */
function request(text) {
  return {
    ...fields(),
    q: text,
    stream: true,
    return_alignments: settings.alignments,
  };
}

function fields() {
  const key = $("key").value;
  return {
    source: languages.source,
    target: languages.target,
    ...(key && { api_key: key }),
  };
}

async function show(text, told, signal) {
  let begun = false;
  for await (const { name, data } of told) {
    if (signal.aborted) return;
    if (!begun) begin(text);
    begun = true;
    if (name === "done") end(data);
    else add(data);
  }
}

function begin(text) {
  alignment.begin(text);
  sentences = [];
  target.lang = languages.target;
}

function add(told) {
  const index = sentences.length;
  sentences.push({ told, shown: alignment.add(told, index), text: told.translations[0].text });
  if (index === 0) requestAnimationFrame(() => performance.mark("first-sentence"));
  else tell(`Translating… ${index + 1} sentences`);
}

function end(reply) {
  alignment.finish();
  whole = reply.translatedText;
  languages.tell(reply.detectedLanguage);
  source.lang = languages.known ?? "";
  $("copy").disabled = false;
  $("look").disabled = sentences.length === 0;
  const count = sentences.length === 1 ? "1 sentence" : `${sentences.length} sentences`;
  const cut = sentences.some((one) => one.told.translations[0].finish_reason === "length");
  const unsure = reply.detectedLanguage && reply.detectedLanguage.confidence < 50;
  tell(
    `Translated ${count}`,
    cut && "; a sentence was too long and lacks its end",
    unsure && "; the language is a guess",
    whole.length <= SPOKEN && { spoken: `: ${whole}` },
  );
}

function clearTranslation(text) {
  alignment.begin(text);
  sentences = [];
  whole = "";
  languages.tell(null);
  for (const id of ["copy", "look"]) $(id).disabled = true;
  tell("");
}

// ---- telling ----

/** Show the status; what is `spoken` is for screen readers alone. */
function tell(...parts) {
  const nodes = parts.filter(Boolean).map((part) => {
    if (typeof part === "string") return part;
    const spoken = document.createElement("span");
    spoken.className = "visually-hidden";
    spoken.lang = languages.target;
    spoken.textContent = part.spoken;
    return spoken;
  });
  $("status").replaceChildren(...nodes);
}

function tellError(error) {
  $("error").hidden = !error;
  $("error").textContent = error ? message(error) : "";
  if (error) tell("");
}

function message(error) {
  if (error.status === undefined) return "The service cannot be reached. Is it still running?";
  return error.message.replace(/^Invalid request: /, "").replace(/^./, (first) => first.toUpperCase());
}

function count() {
  const characters = length(source.value);
  const limit = settings.charLimit;
  $("count").textContent = `${characters.toLocaleString("en")} / ${limit.toLocaleString("en")}`;
  $("count").classList.toggle("over", limit >= 0 && characters > limit);
  $("clear").disabled = characters === 0;
}

// ---- a sentence ----

async function openSentence(index) {
  look.abort();
  look = new AbortController();
  const { signal } = look;
  chosen = index;
  const { told, text } = sentences[index];
  for (const one of sentences) one.shown.classList.toggle("chosen", one === sentences[index]);
  $("sentence-title").textContent = `Sentence ${index + 1} of ${sentences.length}`;
  $("sentence-source").textContent = told.source;
  $("sentence-source").lang = languages.known ?? "";
  $("previous").disabled = index === 0;
  $("next").disabled = index === sentences.length - 1;
  $("sentence").hidden = false;
  showHypotheses($("hypothesis-list"), told.translations, text, languages.target, choose);
  $("sentence").ariaBusy = "true";
  try {
    const asked = { ...fields(), source: languages.known, q: told.source };
    const found = await lookClosely(asked, signal);
    if (signal.aborted) return;
    showHypotheses($("hypothesis-list"), found.translations, text, languages.target, choose);
    $("attention").hidden = !found.source_tokens;
    if (found.source_tokens) {
      const [{ tokens, attention }] = found.translations;
      showAttention($("attention-table"), tokens, found.source_tokens, attention);
    }
  } catch (error) {
    if (!signal.aborted) tellError(error);
  } finally {
    $("sentence").ariaBusy = "false";
  }
}

/** Let another translation stand for the sentence. */
function choose(text) {
  const sentence = sentences[chosen];
  sentence.text = text;
  sentence.shown.replaceChildren(text);
  whole = target.textContent;
  tell(`Sentence ${chosen + 1} changed`);
}

function closeSentence() {
  look.abort();
  chosen = null;
  $("sentence").hidden = true;
  for (const one of sentences) one.shown.classList.remove("chosen");
}

// ---- what people do ----

source.addEventListener("input", (event) => {
  count();
  alignment.write(source.value);
  if (event.inputType === "insertFromPaste" || event.inputType === "insertFromDrop") translate();
  else later();
});
$("from").addEventListener("change", () => {
  languages.sourceChanged();
  translate();
});
$("to").addEventListener("change", translate);
$("key").addEventListener("change", translate);
$("key-choice").addEventListener("submit", (event) => event.preventDefault());
$("swap").addEventListener("click", () => {
  languages.exchange();
  if (whole) source.value = whole;
  count();
  alignment.write(source.value);
  translate();
});
$("clear").addEventListener("click", () => {
  source.value = "";
  count();
  translate();
  source.focus();
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(whole);
  tell("Copied");
});

target.addEventListener("pointermove", ({ target: over }) => {
  alignment.mark(over.classList.contains("word") ? over : null);
});
source.addEventListener("pointermove", ({ clientX, clientY }) => {
  alignment.mark(alignment.wordAt(clientX, clientY) ?? null);
});
for (const one of [source, target]) {
  one.addEventListener("pointerleave", () => alignment.mark(null));
}
document.addEventListener("selectionchange", () => {
  if (document.activeElement !== source) return;
  alignment.mark(alignment.wordHolding(source.selectionStart) ?? null);
});
target.addEventListener("click", ({ target: over }) => {
  const index = over.closest(".sentence")?.dataset.index;
  if (index === undefined || !getSelection().isCollapsed) return;
  openSentence(Number(index));
  $("sentence").scrollIntoView({ block: "nearest" });
});
$("look").addEventListener("click", async () => {
  await openSentence(chosen ?? 0);
  $("sentence-title").focus();
});
$("previous").addEventListener("click", () => openSentence(chosen - 1));
$("next").addEventListener("click", () => openSentence(chosen + 1));
$("close").addEventListener("click", () => {
  closeSentence();
  $("look").focus();
});
$("sentence").addEventListener("keydown", ({ key }) => {
  if (key === "Escape") $("close").click();
});

async function give(file) {
  $("document").hidden = true;
  tellError(null);
  tell(`Translating ${file.name}…`);
  try {
    const link = document.createElement("a");
    link.href = await translateFile(file, fields(), AbortSignal.timeout(600_000));
    link.download = "";
    link.textContent = `Download the translation of ${file.name}`;
    $("document").replaceChildren(link);
    $("document").hidden = false;
    tell("The file is translated");
    link.focus();
  } catch (error) {
    tellError(error);
  }
}

// ---- the beginning ----

$("key-choice").hidden = !settings.apiKeys;
if (settings.filesTranslation) {
  const formats = settings.supportedFilesFormat;
  takeFiles($("source-pane"), $("file-choice"), $("file"), $("file-kinds"), formats, give);
}
read("health/ready").then(
  ({ model, variant }) => ($("model").textContent = `${model} · ${variant}`),
  () => {}, // it says so itself as soon as something is translated
);
count();
alignment.write(source.value);
if (source.value) translate(); // browsers keep what was typed when a page is loaded again
