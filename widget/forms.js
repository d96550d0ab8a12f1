// @ts-check
/**
 * Questions with answers to choose from: one at a time, every one may be skipped, back and forth, looked over before they
 * are sent, changed later, and found again after a reload. Nothing is asked that has been answered already.
 */

import { h, plainButton } from "./dom.js";

/** @typedef {import("./transport.js").Answers} Answers */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Item} Item */
/** @typedef {import("./render.js").Context} Context */

const LONGEST = 500;
const SHORT = 160; // so many characters stand on two or three lines of a phone
let forms = 0;

/**
 * Whether something to go on with follows the answers: then the focus does not stay at them, so that it can be seen.
 * @param {import("./transport.js").Body} body
 * @returns {boolean}
 */
export function leadsOn({ form }) {
  return String(form).startsWith("tutor_");
}

export class Questions {
  /**
   * @param {ChatEvent} event
   * @param {Context} context
   */
  constructor(event, context) {
    this.event = event;
    this.context = context;
    this.items = event.body.items ?? [];
    this.id = `form-${++forms}`;
    const draft = context.draft(event);
    /** @type {Answers} */
    this.answers = { ...event.body.given, ...draft?.answers };
    this.at = Math.min(Number(draft?.at ?? 0), this.items.length);
    this.single = this.items.length === 1 && leadsOn(event.body);
    this.box = h("div", { class: "questions" });
    /** @type {((questions: Questions) => HTMLElement) | undefined} all on one screen */
    this.together = undefined;
    this.shut = false;
    if (event.body.look === "chips") this.showTogether();
    else this.show(false);
  }

  /** All on one screen, once that is loaded; one at a time where it cannot be had. */
  async showTogether() {
    try {
      this.together = (await this.context.part("extras")).chips;
    } catch {
      // as any other questions
    }
    if (!this.shut) this.show(false);
    this.context.resized();
  }

  /** @param {boolean} [focus] */
  show(focus = true) {
    const item = this.items[this.at];
    this.shut = false;
    this.box.replaceChildren(this.together?.(this) ?? (item ? this.question(item) : this.overview()));
    if (focus) /** @type {HTMLElement | null} */ (this.box.querySelector("[data-first]"))?.focus();
  }

  /**
   * @param {number} to
   */
  go(to) {
    this.at = to;
    this.context.keepDraft(this.event, { at: this.at, answers: this.answers });
    this.show();
  }

  /** To the next question. A single one of the tutor is sent at once: it can be read where it stands, and changed later. */
  onward() {
    if (this.single) this.send();
    else this.go(this.at + 1);
  }

  /**
   * @param {Item} item
   * @returns {HTMLElement}
   */
  question(item) {
    const { t } = this.context;
    const progress = t("questions_progress", { at: this.at + 1, of: this.items.length });
    const legend = h("legend", { tabindex: "-1", "data-first": true },
      this.single ? null : h("span", { class: "progress-words" }, progress), h("span", { class: "question-words" }, item.text));
    const problem = h("p", { class: "problem", role: "alert" });
    const field = this.field(item);
    const next = () => {
      if (this.answers[item.id] === undefined || this.answers[item.id] === "") return void (problem.textContent = t("questions_choose"));
      this.onward();
    };
    const skip = () => {
      this.answers[item.id] = null;
      this.onward();
    };
    const back = this.at ? plainButton(t("questions_back"), () => this.go(this.at - 1)) : null;
    return h("form", { class: "question", novalidate: true, onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); next(); } },
      h("fieldset", {}, legend, field), problem,
      h("div", { class: "row" }, back, plainButton(t("questions_skip"), skip), h("button", { type: "submit", class: "choice main" }, t("questions_next"))));
  }

  /**
   * @param {Item} item
   * @returns {HTMLElement}
   */
  field(item) {
    if (item.kind === "text") return this.textField(item);
    const scale = item.kind === "scale";
    const low = item.min ?? 0;
    const options = scale
      ? Array.from({ length: (item.max ?? 10) - low + 1 }, (_, place) => ({ value: low + place, title: String(low + place) }))
      : item.choices ?? [];
    const radios = options.map(({ value, title }, place) => {
      const input = /** @type {HTMLInputElement} */ (h("input", { type: "radio", name: `${this.id}-${item.id}`, value: String(value) }));
      input.checked = this.answers[item.id] === value;
      input.addEventListener("change", () => (this.answers[item.id] = value));
      // The ends of a scale have their words in the name of the number, so that they are heard with it.
      const end = scale && place === 0 ? item.low : scale && place === options.length - 1 ? item.high : "";
      return h("label", { class: "option" }, input, h("span", {}, title, end ? h("span", { class: "visually-hidden" }, `, ${end}`) : null));
    });
    const group = h("div", { class: scale ? "scale" : "options" }, ...radios);
    if (!scale) return group;
    return h("div", {}, group, h("p", { class: "ends", "aria-hidden": "true" }, ...[item.low && `${low} = ${item.low}`, item.high && `${low + options.length - 1} = ${item.high}`].map((end) => h("span", {}, end || ""))));
  }

  /**
   * @param {Item} item
   * @returns {HTMLElement}
   */
  textField(item) {
    const most = Math.min(item.max ?? LONGEST, LONGEST);
    const input = /** @type {HTMLTextAreaElement} */ (h("textarea", { rows: most > SHORT ? "3" : "2", maxlength: String(most), dir: "auto", "aria-label": item.text }));
    input.value = String(this.answers[item.id] ?? "");
    input.addEventListener("input", () => (this.answers[item.id] = input.value.trim()));
    return input;
  }

  /** Gives the answers to the chat, which sends them. */
  send() {
    const answers = Object.fromEntries(this.items.map(({ id }) => [id, this.answers[id] ?? null]));
    this.context.answer(this.event, answers);
    if (!leadsOn(this.event.body)) /** @type {HTMLElement | null} */ (this.box.querySelector("[data-first]"))?.focus();
  }

  /** @returns {HTMLElement} */
  overview() {
    const { t } = this.context;
    return h("div", { class: "overview" },
      h("p", { class: "card-title", tabindex: "-1", "data-first": true }, t("questions_check")), this.list(),
      h("div", { class: "row" }, plainButton(t("questions_edit"), () => this.go(0)),
        h("button", { type: "button", class: "choice main", onclick: () => this.send() }, t("questions_send"))));
  }

  /** @returns {HTMLElement} */
  list() {
    const rows = this.items.flatMap((item) => {
      const given = this.answers[item.id];
      if (given === "off") return []; // a chip that is not pressed
      const title = item.choices?.find(({ value }) => value === given)?.title ?? given;
      const shown = given === null || given === undefined || given === "" ? this.context.t("questions_skipped") : String(title);
      return [h("dt", {}, item.text), h("dd", { dir: "auto" }, shown)];
    });
    return h("dl", {}, ...rows);
  }

  /** @param {Answers} answers on their way */
  sending(answers) {
    this.answers = { ...answers };
    this.closed("sending");
  }

  /** Not taken: they can be looked over, and sent again. */
  refused() {
    this.show(false);
  }

  /**
   * The server has the answers: they can be read, and changed.
   * @param {Answers} answers
   */
  sent(answers) {
    this.answers = { ...answers };
    this.context.keepDraft(this.event, null);
    this.closed("questions_sent", h("div", { class: "row" }, plainButton(this.context.t("questions_edit"), () => this.go(0))));
  }

  /**
   * @param {string} key what has become of the answers
   * @param {...HTMLElement} more
   */
  closed(key, ...more) {
    this.shut = true;
    // The title stays the same element: it may hold the focus.
    const title = this.box.querySelector(".closed") ?? h("p", { class: "card-title closed", tabindex: "-1", "data-first": true });
    title.textContent = this.context.t(key);
    this.box.querySelectorAll(":scope > :not(.closed)").forEach((other) => other.remove());
    this.box.append(...(title.isConnected ? [] : [title]), this.list(), ...more);
  }
}
