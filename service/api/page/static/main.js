// The page: what happens when.

import { Alignment } from "./alignment.js";
import { events, read } from "./client.js";
import { takeFiles, translateFile } from "./files.js";
import { Languages } from "./languages.js";
import { Panel } from "./panel.js";
import { Teller } from "./telling.js";
import { length } from "./text.js";

const $ = (id) => document.getElementById(id);
const source = $("source");
const target = $("target");

const teller = new Teller($("status"), $("error"));
const [settings, listing] = await Promise.all([
  read("frontend/settings"),
  read("languages"),
]).catch((error) => {
  teller.fail(error);
  throw error;
});
const languages = new Languages($("from"), $("to"), $("swap"), listing, settings.language);
const alignment = new Alignment($("mirror"), target);
const panel = new Panel(
  () => ({ ...fields(), source: languages.known }),
  changed,
  (error) => teller.fail(error),
);

let sentences = []; // {told, shown, text}
let whole = ""; // the translation as a string
let waiting; // timer
let work = new AbortController();

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
  panel.close();
  teller.fail(null);
  if (!text.trim()) return clearTranslation(text);
  target.ariaBusy = "true";
  teller.say("Translating…");
  performance.clearMarks();
  performance.mark("translate");
  try {
    await show(text, events("translate", request(text), signal), signal);
  } catch (error) {
    if (!signal.aborted) teller.fail(error);
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
  panel.sentences = sentences;
  target.lang = languages.target;
}

function add(told) {
  const index = sentences.length;
  sentences.push({ told, shown: alignment.add(told, index), text: told.translations[0].text });
  if (index === 0) afterPaint(() => performance.mark("first-sentence"));
  else teller.say(`Translating… ${index + 1} sentences`);
}

function end(reply) {
  alignment.finish();
  whole = reply.translatedText;
  languages.tell(reply.detectedLanguage);
  source.lang = languages.known ?? "";
  $("copy").disabled = false;
  $("look").disabled = sentences.length === 0;
  teller.done(reply, sentences, languages.target);
}

/** Call what is to happen when what was changed has been painted. */
function afterPaint(call) {
  requestAnimationFrame(() => setTimeout(call));
}

/** Another translation stands for a sentence. */
function changed(index) {
  whole = target.textContent;
  teller.say(`Sentence ${index + 1} changed`);
}

function clearTranslation(text) {
  alignment.begin(text);
  sentences = [];
  panel.sentences = sentences;
  whole = "";
  languages.tell(null);
  for (const id of ["copy", "look"]) $(id).disabled = true;
  teller.say("");
}

function count() {
  const characters = length(source.value);
  const limit = settings.charLimit;
  $("count").textContent = `${characters.toLocaleString("en")} / ${limit.toLocaleString("en")}`;
  $("count").classList.toggle("over", limit >= 0 && characters > limit);
  $("clear").disabled = characters === 0;
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
  teller.say("Copied");
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
  panel.open(Number(index));
  $("sentence").scrollIntoView({ block: "nearest" });
});
$("look").addEventListener("click", () => {
  panel.open();
  $("sentence-title").focus();
});

async function give(file) {
  $("document").hidden = true;
  teller.fail(null);
  teller.say(`Translating ${file.name}…`);
  try {
    const link = document.createElement("a");
    link.href = await translateFile(file, fields(), AbortSignal.timeout(600_000));
    link.download = "";
    link.textContent = `Download the translation of ${file.name}`;
    $("document").replaceChildren(link);
    $("document").hidden = false;
    teller.say("The file is translated");
    link.focus();
  } catch (error) {
    teller.fail(error);
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
