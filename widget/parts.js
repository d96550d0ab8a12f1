// @ts-check
/** What can stand inside a message: numbers to call, choices, pictures, cards, and things that open. */

import { h, icon } from "./dom.js";
import { richText } from "./rich.js";

/** @typedef {import("./transport.js").Body} Body */
/** @typedef {import("./transport.js").Call} Call */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").Picture} Picture */
/** @typedef {import("./render.js").Context} Context */

// Only our own pictures: a path on this server, never another site's address.
const OWN_PICTURE = /^\/(?:pictures|static)\/[\w/-]+\.(?:svg|png|webp|jpg)$/;

/**
 * Where a "call now" link goes: only the characters of a phone number are kept; without a number, a secure web page.
 * @param {Call} call
 * @returns {{href: string, number: string, key: string} | null} null where there is nothing to open
 */
function callTarget(call) {
  const number = String(call.tel ?? call.sms ?? "");
  const digits = number.replace(/[^\d+*#]/g, "");
  if (digits) return { href: `${call.tel ? "tel" : "sms"}:${digits}`, number, key: call.tel ? "call_action" : "text_action" };
  const url = String(call.url ?? "");
  return url.startsWith("https://") ? { href: url, number: "", key: "" } : null;
}

/**
 * Every line a clinic has named: a link where there is a number or a page, else its words.
 * @param {Call[]} calls
 * @param {Context["t"]} t
 * @returns {HTMLElement | null}
 */
export function callList(calls, t) {
  const items = calls.map((call) => {
    const target = callTarget(call);
    if (!target) return h("li", {}, h("span", { class: "call call-plain" }, String(call.label)));
    const label = String(call.label);
    const act = t(target.key, { number: target.number });
    const words = h("span", { class: "call-words" }, h("span", { class: "call-label" }, label === target.number ? act : label));
    if (!label.includes(target.number)) {
      words.append(h("span", { class: "call-number" }, act));
    }
    const page = target.number ? {} : { target: "_blank", rel: "noreferrer nofollow" };
    if (!target.number) words.append(h("span", { class: "visually-hidden" }, ` (${t("link_new_page")})`));
    return h("li", {}, h("a", { class: "call", href: target.href, ...page }, icon(target.number ? "phone" : "info"), words));
  });
  return items.length ? h("ul", { class: "calls" }, ...items) : null;
}

/**
 * @param {Choice[]} buttons
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function choiceGroup(buttons, event, context) {
  const group = h("div", { class: "choices", role: "group", "aria-label": context.t("choices_label") });
  for (const choice of buttons) {
    const button = h("button", { type: "button", class: "choice" }, String(choice.title));
    button.dataset.payload = String(choice.payload);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") context.choose(choice, group, event);
    });
    group.append(button);
  }
  return group;
}

/**
 * Close a group: its buttons stay readable and reachable, the chosen one carries a mark. Under an answer only the
 * chosen one closes: someone who has asked "why" may still want to hear more.
 * @param {HTMLElement} group
 * @param {string} chosen payload or title of the choice; empty closes without one
 * @param {Context["t"]} t
 */
export function closeChoices(group, chosen, t) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (group.querySelectorAll(".choice"))) {
    const match = chosen !== "" && (button.dataset.payload === chosen || button.textContent === chosen);
    if (match || !chosen || !group.closest(".kind-text")) button.setAttribute("aria-disabled", "true");
    if (!match || button.classList.contains("chosen")) continue;
    button.classList.add("chosen");
    button.prepend(icon("check"));
    button.append(h("span", { class: "visually-hidden" }, ` (${t("chosen_mark")})`));
  }
}

/**
 * Open a group again, after its message was refused.
 * @param {HTMLElement} group
 */
export function reopenChoices(group) {
  for (const button of group.querySelectorAll(".choice")) {
    button.removeAttribute("aria-disabled");
    button.classList.remove("chosen");
    button.querySelector(".icon")?.remove();
    button.querySelector(".visually-hidden")?.remove();
  }
}

/**
 * In words about abuse: how to leave this page, and the button for it. Its click is heard by first.js.
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function wayToLeave({ t, exit }) {
  const link = h("a", { class: "helper leave", href: exit, target: "_top", rel: "noreferrer nofollow" }, t("leave_button"));
  return h("div", { class: "leave-way" }, h("p", {}, t("leave_how")), link);
}

/**
 * A picture with the same in words: under it, and a longer description that opens where there is one.
 * @param {Picture} shown
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function picture(shown, { t, home }) {
  const size = { width: String(shown.width ?? 240), height: String(shown.height ?? 240) };
  const image = /** @type {HTMLImageElement} */ (h("img", { alt: String(shown.alt), loading: "lazy", ...size }));
  if (OWN_PICTURE.test(String(shown.src))) image.src = `${home}${shown.src}`;
  const figure = h("figure", { class: "picture" }, image);
  if (shown.caption) figure.append(h("figcaption", {}, shown.caption));
  if (shown.long) figure.append(opening(t("picture_long"), richText(shown.long, t("link_new_page"))));
  return figure;
}

/**
 * Words that open and close: "why?", a long description.
 * @param {string} title
 * @param {Node[]} content
 * @returns {HTMLElement}
 */
export function opening(title, content) {
  return h("details", { class: "opening" }, h("summary", {}, title), h("div", { class: "opened" }, ...content));
}

/**
 * @param {Body} card a title, words, perhaps a picture and choices
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function cardOf(card, event, context) {
  const box = h("div", { class: "card plain" });
  if (card.picture) box.append(picture(card.picture, context));
  if (card.title) box.append(h("strong", { class: "card-title" }, String(card.title)));
  for (const text of card.bubbles ?? []) box.append(h("div", { class: "bubble" }, ...richText(text, context.t("link_new_page"))));
  if (card.buttons?.length) box.append(choiceGroup(card.buttons, event, context));
  return box;
}

/**
 * How far a lesson has come, as a bar with the same in words.
 * @param {Body} body
 * @param {Context["t"]} t
 * @returns {HTMLElement}
 */
export function lessonProgress(body, t) {
  const words = t("lesson_progress", { at: Number(body.step), of: Number(body.of) });
  const bar = h("progress", { value: String(body.step), max: String(body.of), "aria-label": words });
  return h("p", { class: "lesson-progress" }, bar, h("span", { "aria-hidden": "true" }, words));
}
