// @ts-check
/** What a message can hold beside words, and is rarely used: chips, papers, a breathing pace, videos, cards, an accordion. */

import { breathPace } from "./breath.js";
import { h, icon, plainButton } from "./dom.js";
import { cardOf, opening } from "./parts.js";
import { richText } from "./rich.js";

/** @typedef {import("./transport.js").Body} Body */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Item} Item */
/** @typedef {import("./render.js").Context} Context */

// Our own files, or a page that the clinic has named: the server looks at that, and the page's policy too.
const OWN_FILE = /^\/static\/[\w/.-]+$/;
const PAPER = /^[\w/-]+\.(?:html|pdf|ics)$/;
const FORGET_MS = 10000;
let carousels = 0;

/**
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement[]}
 */
export function shown(event, context) {
  const { body } = event;
  return [
    body.sections?.length && accordion(body, context),
    body.cards?.length && carousel(body, event, context),
    body.videos?.length && videos(body.videos, context),
    body.breath && breathPace(body.breath, context),
    body.papers?.length && papers(body.papers, context),
  ].filter((part) => part instanceof HTMLElement);
}

/**
 * A questionnaire on one screen: its choices of "on" and "off" as chips, anything else as it is asked elsewhere.
 * Nothing is sent before a button says so.
 * @param {import("./forms.js").Questions} questions
 * @returns {HTMLElement}
 */
export function chips(questions) {
  const { items, answers, event, context } = questions;
  const { t } = context;
  const isChip = (/** @type {Item} */ { choices }) => choices?.map(({ value }) => value).sort().join() === "off,on";
  const small = items.filter(isChip);
  const all = (/** @type {string | null} */ value) => {
    for (const { id } of small) answers[id] = value;
    if (value === null) for (const { id } of items) answers[id] = null;
    questions.send();
  };
  const buttons = small.map((item) => {
    const chip = h("button", { type: "button", class: "chip" }, icon("check"), h("span", {}, item.text));
    const show = () => chip.setAttribute("aria-pressed", String(answers[item.id] === "on"));
    chip.addEventListener("click", () => {
      answers[item.id] = answers[item.id] === "on" ? "off" : "on";
      context.keepDraft(event, { at: 0, answers });
      show();
    });
    show();
    return chip;
  });
  const others = items.filter((item) => !isChip(item)).map((item) =>
    h("fieldset", {}, h("legend", {}, h("span", { class: "question-words" }, item.text)), questions.field(item)));
  const send = h("button", { type: "submit", class: "choice main" }, t("questions_send"));
  const submit = (/** @type {Event} */ submitted) => {
    submitted.preventDefault();
    for (const { id } of small) answers[id] = answers[id] === "on" ? "on" : "off";
    questions.send();
  };
  const title = String(event.body.title ?? "");
  return h("form", { class: "question", novalidate: true, onsubmit: submit },
    h("p", { class: "card-title", tabindex: "-1", "data-first": true }, title),
    h("div", { class: "chips", role: "group", "aria-label": title }, ...buttons), ...others,
    h("div", { class: "row" }, plainButton(t("chips_skip"), () => all(null)),
      small.length ? plainButton(t("chips_none"), () => all("off")) : null, send));
}

/**
 * Papers to take along, fetched with the session's token and given to the browser as files.
 * @param {NonNullable<Body["papers"]>} list
 * @param {Context} context
 * @returns {HTMLElement}
 */
function papers(list, { t, fetch }) {
  const said = h("p", { class: "hint", role: "status" });
  const save = async (/** @type {string} */ path) => {
    said.textContent = t("papers_coming");
    try {
      const href = URL.createObjectURL(await (await fetch(`papers/${path}`)).blob());
      h("a", { href, download: `pain-tutor-${path.replace(/\//g, "-")}` }).click();
      setTimeout(() => URL.revokeObjectURL(href), FORGET_MS);
      said.textContent = t("papers_saved");
    } catch {
      said.textContent = t("papers_failed");
    }
  };
  const buttons = list.filter(({ path }) => PAPER.test(path)).map(({ title, path }) => plainButton(String(title), () => save(path)));
  return h("div", { class: "papers" }, h("div", { class: "row" }, ...buttons), said);
}

/**
 * Videos of the clinic's own. None plays by itself, none is fetched before it is asked for, each has captions.
 * @param {NonNullable<Body["videos"]>} list
 * @param {Context} context
 * @returns {HTMLElement}
 */
function videos(list, { t, home }) {
  const address = (/** @type {string} */ src) => (OWN_FILE.test(src) ? home + src : src.startsWith("https://") ? src : "");
  const made = list.filter(({ src, captions }) => address(src) && address(captions)).map(({ title, src, captions, lang = "en" }) => {
    const foreign = src.startsWith("/") && captions.startsWith("/") ? null : "anonymous"; // captions of another site need it
    const track = h("track", { kind: "captions", src: address(captions), srclang: lang, label: t("videos_captions"), default: true });
    const video = h("video", { controls: true, preload: "none", playsinline: true, src: address(src), crossorigin: foreign, "aria-label": title }, track);
    return h("figure", { class: "picture video" }, video, h("figcaption", {}, String(title)));
  });
  return h("div", { class: "videos" }, ...made);
}

/**
 * @param {Body} body
 * @param {Context} context
 * @returns {HTMLElement}
 */
function accordion(body, { t }) {
  const parts = (body.sections ?? []).map(({ title, bubbles }) =>
    opening(String(title), bubbles.flatMap((text) => richText(text, t("link_new_page")))));
  return h("div", { class: "accordion" }, ...parts);
}

/**
 * Cards one at a time, with buttons before and after: nothing has to be dragged.
 * @param {Body} body
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement}
 */
function carousel(body, event, context) {
  const { t } = context;
  const cards = (body.cards ?? []).map((card) => cardOf(card, event, context));
  const position = h("span", { class: "position", id: `carousel-${++carousels}`, role: "status" });
  const before = stepButton("previous", t("carousel_previous"));
  const after = stepButton("next", t("carousel_next"));
  let at = 0;
  const show = (/** @type {number} */ to) => {
    at = Math.max(0, Math.min(cards.length - 1, to));
    for (const [place, card] of cards.entries()) card.hidden = place !== at;
    position.textContent = t("carousel_position", { at: at + 1, of: cards.length });
    before.setAttribute("aria-disabled", String(at === 0));
    after.setAttribute("aria-disabled", String(at === cards.length - 1));
  };
  before.addEventListener("click", () => show(at - 1));
  after.addEventListener("click", () => show(at + 1));
  show(0);
  const group = h("div", { class: "carousel", role: "group", "aria-roledescription": "carousel" }, ...cards,
    h("div", { class: "steps" }, before, position, after));
  group.setAttribute("aria-label", t("carousel_label", { of: cards.length }));
  return group;
}

/**
 * @param {"previous" | "next"} drawing
 * @param {string} name
 * @returns {HTMLElement}
 */
function stepButton(drawing, name) {
  return h("button", { type: "button", class: "icon-button", title: name }, icon(drawing), h("span", { class: "visually-hidden" }, name));
}
