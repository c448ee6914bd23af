// The two languages of a translation.

import { element } from "./text.js";

const AUTO = "auto";

export class Languages {
  #from;
  #to;
  #swap;
  #listing;
  #detects;
  #detected = null;

  /** listing: as GET /languages; chosen: as in GET /frontend/settings. */
  constructor(from, to, swap, listing, chosen) {
    this.#from = from;
    this.#to = to;
    this.#swap = swap;
    this.#listing = listing.filter((one) => this.#others(one).length);
    this.#detects = chosen.source.code === AUTO;
    const sources = this.#listing.map((one) => option(one.code, one.name));
    const detect = this.#detects ? [option(AUTO, "Detect language")] : [];
    from.replaceChildren(...detect, ...sources);
    from.value = chosen.source.code;
    this.#names = new Map(listing.map((one) => [one.code, one.name]));
    this.#offerTargets(chosen.target.code);
  }

  #names;

  /** Code of the text's language, or auto. */
  get source() {
    return this.#from.value;
  }

  /** Code of the translation's language. */
  get target() {
    return this.#to.value;
  }

  /** The text's language, if it is known. */
  get known() {
    return this.source === AUTO ? this.#detected : this.source;
  }

  /** Say what was detected; null: nothing yet. */
  tell(detected) {
    this.#detected = detected?.language ?? null;
    if (!this.#detects) return;
    const name = this.#names.get(this.#detected);
    this.#from.options[0].text = name ? `${name}, detected` : "Detect language";
    this.#allowSwap();
  }

  /** Offer what the source can be translated into. */
  sourceChanged() {
    this.#offerTargets(this.target);
  }

  /** Exchange the two. */
  exchange() {
    const [source, target] = [this.known, this.target];
    this.#from.value = target;
    this.#offerTargets(source);
  }

  #offerTargets(wanted) {
    const sources = this.#listing.filter((one) => this.source === AUTO || one.code === this.source);
    const codes = new Set(sources.flatMap((one) => this.#others(one)));
    this.#to.replaceChildren(...[...codes].map((code) => option(code, this.#names.get(code))));
    this.#to.value = codes.has(wanted) ? wanted : [...codes][0];
    this.#allowSwap();
  }

  #allowSwap() {
    const back = this.#listing.find((one) => one.code === this.target);
    this.#swap.disabled = !back?.targets.includes(this.known);
  }

  #others(language) {
    const others = language.targets.filter((code) => code !== language.code);
    return others.length ? others : language.targets;
  }
}

function option(code, name) {
  return element("option", { value: code, textContent: name ?? code });
}
