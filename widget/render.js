// @ts-check
/** One event as an article: every kind of body, and the fallback text for kinds this page does not know. */

import { h, icon } from "./dom.js";

/** @typedef {import("./transport.js").Body} Body */
/** @typedef {import("./transport.js").Call} Call */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/**
 * @typedef {{t: (key: string, values?: Record<string, string | number>) => string,
 *   choose: (choice: Choice, group: HTMLElement, event: ChatEvent) => void}} Context
 */

let labels = 0;

/**
 * The safe subset inside one bubble: paragraphs, line breaks, "- " lists and **bold**. Never HTML.
 * @param {string} text
 * @returns {HTMLElement[]}
 */
export function richText(text) {
  /** @type {HTMLElement[]} */
  const blocks = [];
  /** @type {HTMLElement | null} */
  let open = null;
  for (const line of String(text).split("\n")) {
    const item = /^\s*[-•]\s+(.*)$/.exec(line);
    if (!line.trim()) {
      open = null;
      continue;
    }
    const tag = item ? "UL" : "P";
    if (open?.tagName !== tag) blocks.push((open = h(tag.toLowerCase())));
    else if (!item) open.append(h("br"));
    if (item) open.append(h("li", {}, ...inline(item[1])));
    else open.append(...inline(line));
  }
  return blocks;
}

/**
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function inline(text) {
  return text.split(/\*\*([^*]+)\*\*/).map((part, index) => (index % 2 ? h("strong", {}, part) : part));
}

/**
 * The same words for a screen reader, without marks of layout.
 * @param {Body} body
 * @returns {string}
 */
export function spoken(body) {
  const text = body.fallback_text || bubblesOf(body).join("\n");
  return text.replace(/\*\*([^*]+)\*\*/g, "$1").replace(/^\s*[-•]\s+/gm, "").trim();
}

/**
 * @param {Body} body
 * @returns {string[]}
 */
function bubblesOf(body) {
  if (body.bubbles?.length) return body.bubbles.map(String);
  return [body.lead, body.text].filter((part) => typeof part === "string" && part !== "").map(String);
}

/**
 * @param {ChatEvent} event
 * @param {Context["t"]} t
 * @returns {string}
 */
export function authorName(event, t) {
  const { body, author } = event;
  if (author === "patient") return t("you_name");
  if (author === "clinician" || body.kind === "clinician") {
    const name = body.name || t("clinician_name");
    return body.role ? t("clinician_label", { name, role: body.role }) : name;
  }
  return author === "system" ? t("system_name") : t("tutor_name");
}

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
function callList(calls, t) {
  const items = calls.map((call) => {
    const target = callTarget(call);
    if (!target) return h("li", {}, h("span", { class: "call call-plain" }, String(call.label)));
    const label = String(call.label);
    const act = t(target.key, { number: target.number });
    const words = h("span", { class: "call-words" }, h("span", { class: "call-label" }, label === target.number ? act : label));
    if (!label.includes(target.number)) {
      words.append(h("span", { class: "call-number" }, act));
    }
    return h("li", {}, h("a", { class: "call", href: target.href }, icon("phone"), words));
  });
  return items.length ? h("ul", { class: "calls" }, ...items) : null;
}

/**
 * @param {Choice[]} buttons
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement}
 */
function choiceGroup(buttons, event, context) {
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
 * In words about abuse: how to leave this page, and the button for it. Its click is heard by leave.js.
 * @param {Context["t"]} t
 * @returns {HTMLElement}
 */
function wayToLeave(t) {
  const away = document.getElementById("leave")?.getAttribute("href") ?? "about:blank";
  const link = h("a", { class: "helper leave", href: away, target: "_top", rel: "noreferrer nofollow" }, t("leave_button"));
  return h("div", { class: "leave-way" }, h("p", {}, t("leave_how")), link);
}

/**
 * A picture with the same in words under it. Only our own pictures: a path, never another site's address.
 * @param {{src: string, alt: string, caption: string}} shown
 * @returns {HTMLElement}
 */
function picture(shown) {
  const image = /** @type {HTMLImageElement} */ (h("img", { alt: shown.alt, width: "240", height: "240", loading: "lazy" }));
  if (/^\/pictures\/[\w-]+\.svg$/.test(shown.src)) image.src = shown.src;
  return h("figure", { class: "picture" }, image, h("figcaption", {}, shown.caption));
}

/** Looks and labels by kind; a kind without a row is plain text. */
const LOOKS = {
  safety: { label: "safety_label", icon: "shield" },
  question: { label: "question_label", icon: "shield" },
  consent: { label: "consent_label", icon: "info" },
  handoff: { label: "", icon: "clock" },
  notice: { label: "", icon: "info" },
};
const KNOWN = ["text", "button", "answer", "clinician", ...Object.keys(LOOKS)];

/**
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement | null} null for events with nothing to show
 */
export function renderEvent(event, context) {
  const { t } = context;
  const body = event.body;
  const known = KNOWN.includes(body.kind) && bubblesOf(body).length > 0;
  const bubbles = known ? bubblesOf(body) : [String(body.fallback_text ?? "")].filter(Boolean);
  if (!bubbles.length) return null;
  const patient = event.author === "patient";
  const id = `message-${++labels}`;
  const article = h("article", { class: `message ${event.author} kind-${known ? body.kind : "text"}` });
  article.setAttribute("aria-labelledby", id);
  if (body.answer_id) article.dataset.answer = String(body.answer_id);
  article.append(metaLine(id, event, t));

  const look = known && !patient ? LOOKS[/** @type {keyof typeof LOOKS} */ (body.kind)] : undefined;
  const box = look ? h("div", { class: "card" }) : article;
  if (look) {
    article.append(box);
    const waiting = body.kind === "handoff" && body.state === "human" ? "person" : look.icon;
    const title = look.label ? h("strong", { class: "card-title" }, t(look.label)) : null;
    box.append(h("span", { class: "card-head" }, icon(/** @type {any} */ (waiting)), title));
    if (body.state) box.classList.add(`state-${body.state.replace(/\W/g, "")}`);
  }
  // What to do comes first, but for one line that says why it comes.
  const first = known && body.kind === "safety" ? Number(Boolean(body.lead) && bubbles[0] === body.lead) : -1;
  for (const [place, text] of bubbles.entries()) {
    const name = place === first ? "bubble first" : "bubble";
    box.append(h("div", { class: name }, ...(patient ? [h("p", {}, text)] : richText(text))));
  }
  if (patient) return article;
  if (known && body.picture) box.append(picture(body.picture));
  if (known && body.notes?.length) box.append(h("ul", { class: "notes" }, ...body.notes.map((note) => h("li", {}, String(note)))));
  const calls = (known && body.calls) || [];
  // The first two numbers stand right under what to do: with a phone's keyboard open, the end of a card is out of sight.
  const near = body.kind === "safety" ? callList(calls.slice(0, 2), t) : null;
  if (near) box.querySelector(".bubble.first")?.after(near);
  if (known && body.buttons?.length) box.append(choiceGroup(body.buttons, event, context));
  const others = callList(near ? calls.slice(2) : calls, t);
  if (others) box.append(others);
  if (known && body.leave) box.append(wayToLeave(t));
  if (body.review && body.review !== "reviewed") article.append(h("p", { class: "review" }, t("review_pending")));
  return article;
}

/**
 * @param {string} id
 * @param {ChatEvent} event
 * @param {Context["t"]} t
 * @returns {HTMLElement}
 */
function metaLine(id, event, t) {
  const date = event.at ? new Date(event.at) : new Date();
  const valid = Number.isNaN(date.getTime()) ? new Date() : date;
  const time = valid.toLocaleTimeString(document.documentElement.lang || undefined, { hour: "2-digit", minute: "2-digit" });
  const text = t("message_label", { who: authorName(event, t), time });
  return h("p", { class: "meta", id }, h("time", { datetime: valid.toISOString() }, text));
}
