// @ts-check
/** One event as an article: every kind of body, and the fallback text for kinds this page does not know. */

import { h, icon, plainButton } from "./dom.js";
import { feedbackRow } from "./feedback.js";
import { Questions } from "./forms.js";
import { callList, cardOf, choiceGroup, lessonProgress, opening, picture, wayToLeave } from "./parts.js";
import { bubblesOf, richText } from "./rich.js";

/** @typedef {import("./transport.js").Answers} Answers */
/** @typedef {import("./transport.js").Body} Body */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/**
 * What rendering needs of the chat. `form` is how answers are read: full, plain or flare. `rate` says whether the server
 * has noted it; drafts are answers that are not sent yet.
 * @typedef {{t: (key: string, values?: Record<string, string | number>) => string, home: string, exit: string,
 *   part: import("./chat.js").Chat["part"], fetch: (path: string) => Promise<Response>, resized: () => void,
 *   locale: string, form: () => string, aloud: () => boolean, read: (article: HTMLElement, event: ChatEvent) => void,
 *   choose: (choice: Choice, group: HTMLElement, event: ChatEvent) => void,
 *   answer: (event: ChatEvent, answers: Answers) => void,
 *   draft: (event: ChatEvent) => {at: number, answers: Answers} | undefined,
 *   keepDraft: (event: ChatEvent, draft: {at: number, answers: Answers} | null) => void,
 *   rate: (event: ChatEvent, value: "up" | "down", code?: string) => Promise<boolean>}} Context
 */

/** Looks and labels by kind; a kind without a row is plain text. */
const LOOKS = {
  safety: { label: "safety_label", icon: "shield" },
  question: { label: "question_label", icon: "shield" },
  consent: { label: "consent_label", icon: "info" },
  handoff: { label: "", icon: "clock" },
  notice: { label: "", icon: "info" },
};
const PLAIN_KINDS = ["text", "button", "answer", "clinician", "image", "accordion", "lesson", "visual"];
const FORM_KINDS = ["scale", "questionnaire"];
const CARD_KINDS = ["card", "carousel"];
// What is drawn by a part that is loaded later: the field of the body that asks for it, and the part.
const LATER = /** @type {const} */ ({
  visual: "pictures", sections: "extras", cards: "extras", breath: "extras", videos: "extras", papers: "extras",
});
const KNOWN_KINDS = [...PLAIN_KINDS, ...FORM_KINDS, ...CARD_KINDS, ...Object.keys(LOOKS)];

let labels = 0;
/** @type {WeakMap<HTMLElement, Questions>} */
const questionsOf = new WeakMap();
/** @type {WeakMap<HTMLElement, ChatEvent>} */
const eventOf = new WeakMap();

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
 * Whether this page can show a body as what it is; if not, its fallback text stands for it.
 * @param {Body} body
 * @returns {boolean}
 */
function isKnown(body) {
  if (!KNOWN_KINDS.includes(body.kind)) return false;
  if (FORM_KINDS.includes(body.kind)) return Boolean(body.items?.length);
  if (body.kind === "carousel") return Boolean(body.cards?.length);
  if (body.kind === "image") return Boolean(body.picture);
  if (body.kind === "accordion") return Boolean(body.sections?.length);
  return bubblesOf(body).length > 0 || (body.kind === "card" && Boolean(body.title));
}

/**
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement | null} null for events with nothing to show
 */
export function renderEvent(event, context) {
  const { t } = context;
  const body = event.body;
  const known = isKnown(body);
  const bubbles = known ? bubblesOf(body, context.form()) : [String(body.fallback_text ?? "")].filter(Boolean);
  if (!known && !bubbles.length) return null;
  const patient = event.author === "patient";
  const id = `message-${++labels}`;
  const article = h("article", { class: `message ${event.author} kind-${known ? body.kind : "text"}` });
  article.setAttribute("aria-labelledby", id);
  eventOf.set(article, event);
  if (body.answer_id) article.dataset.answer = String(body.answer_id);
  article.append(metaLine(id, event, article, context));
  const look = known && !patient ? LOOKS[/** @type {keyof typeof LOOKS} */ (body.kind)] : undefined;
  const box = look ? card(body, look, t) : article;
  if (look) article.append(box);
  if (known && body.kind === "card") box.append(cardOf(body, event, context));
  else box.append(...bubbleNodes(body, bubbles, patient, t), ...whole(body, context));
  if (patient) return article;
  if (known) inside(article, box, event, context);
  if (body.review && body.review !== "reviewed") article.append(h("p", { class: "review" }, t("review_pending")));
  if (known && body.kind === "text" && body.version && event.seq !== null) article.append(feedbackRow(event, context));
  return article;
}

/**
 * @param {Body} body
 * @param {{label: string, icon: string}} look
 * @param {Context["t"]} t
 * @returns {HTMLElement}
 */
function card(body, look, t) {
  const box = h("div", { class: "card" });
  const waiting = body.kind === "handoff" && body.state === "human" ? "person" : look.icon;
  const title = look.label ? h("strong", { class: "card-title" }, t(look.label)) : null;
  box.append(h("span", { class: "card-head" }, icon(/** @type {any} */ (waiting)), title));
  if (body.state) box.classList.add(`state-${body.state.replace(/\W/g, "")}`);
  return box;
}

/**
 * @param {Body} body
 * @param {string[]} bubbles
 * @param {boolean} patient
 * @param {Context["t"]} t
 * @returns {HTMLElement[]}
 */
function bubbleNodes(body, bubbles, patient, t) {
  // What to do comes first, but for one line that says why it comes.
  const first = body.kind === "safety" ? Number(Boolean(body.lead) && bubbles[0] === body.lead) : -1;
  // What the server says is English unless it says otherwise; what the page says is in the page's language.
  const lang = body.lang ?? (body.answer_id || body.kind === "consent" ? "en" : null);
  return bubbles.map((text, place) => {
    const name = place === first ? "bubble first" : "bubble";
    const words = patient ? [h("p", { dir: "auto" }, text)] : richText(text, t("link_new_page"));
    return h("div", { class: name, lang }, ...words);
  });
}

/**
 * Everything of a known body but its words.
 * @param {HTMLElement} article
 * @param {HTMLElement} box
 * @param {ChatEvent} event
 * @param {Context} context
 */
function inside(article, box, event, context) {
  const { t } = context;
  const { body } = event;
  if (body.kind === "lesson" && body.of) box.querySelector(".bubble")?.before(lessonProgress(body, t));
  if (body.picture && body.kind !== "card") box.append(picture(body.picture, context));
  for (const part of new Set(Object.entries(LATER).map(([field, name]) => body[/** @type {"visual"} */ (field)] && name))) {
    if (part) box.append(shownLater(part, event, context));
  }
  if (body.notes?.length) box.append(h("ul", { class: "notes" }, ...body.notes.map((note) => h("li", {}, String(note)))));
  if (FORM_KINDS.includes(body.kind)) {
    const questions = new Questions(event, context);
    questionsOf.set(article, questions);
    box.append(questions.box);
  }
  const calls = body.calls ?? [];
  // The first two numbers stand right under what to do: with a phone's keyboard open, the end of a card is out of sight.
  const near = body.kind === "safety" ? callList(calls.slice(0, 2), t) : null;
  if (near) box.querySelector(".bubble.first")?.after(near);
  if (body.buttons?.length && body.kind !== "card") box.append(choiceGroup(body.buttons, event, context));
  const others = callList(near ? calls.slice(2) : calls, t);
  if (others) box.append(others);
  if (body.leave) box.append(wayToLeave(context));
}

/**
 * A place for what a part shows; where the part cannot be had, the same in words, and another try.
 * @param {"pictures" | "extras"} part
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement}
 */
function shownLater(part, event, context) {
  const { t, resized } = context;
  const { twin, cards, sections, fallback_text: words } = event.body;
  const box = h("div", { class: "later" });
  const load = () => context.part(part)
    .then(({ shown }) => box.replaceChildren(...shown(event, context)))
    .catch(() => box.replaceChildren(h("p", { class: "hint" }, t("part_failed")), plainButton(t("retry_button"), load),
      ...(twin ?? (cards || sections ? [words] : [])).flatMap((text) => richText(String(text), t("link_new_page")))))
    .then(resized);
  load();
  return box;
}

/**
 * Show an article's words in the form that is asked for now.
 * @param {HTMLElement} article
 * @param {Context} context
 */
export function reform(article, context) {
  const event = eventOf.get(article);
  if (!event?.body.forms || event.author === "patient") return;
  const old = [...article.querySelectorAll(".bubble, .whole")];
  const made = bubbleNodes(event.body, bubblesOf(event.body, context.form()), false, context.t);
  old[0]?.before(...made, ...whole(event.body, context));
  for (const bubble of old) bubble.remove();
}

/**
 * Under a short form: the full answer, for whoever wants it after all.
 * @param {Body} body
 * @param {Context} context
 * @returns {HTMLElement[]}
 */
function whole(body, { t, form }) {
  if (form() === "full" || !body.forms?.full || !body.forms[form()]) return [];
  const part = opening(t("form_whole"), body.forms.full.flatMap((text) => richText(text, t("link_new_page"))));
  part.classList.add("whole");
  return [part];
}

/**
 * What has become of the answers to an article's questions, given here or elsewhere.
 * @param {HTMLElement} article
 * @param {Answers} answers
 * @param {"sending" | "sent" | "refused"} become refused ones can be looked over again
 */
export function answeredQuestions(article, answers, become) {
  questionsOf.get(article)?.[become](answers);
}

/**
 * @param {string} id
 * @param {ChatEvent} event
 * @param {HTMLElement} article
 * @param {Context} context
 * @returns {HTMLElement}
 */
function metaLine(id, event, article, { t, locale, aloud, read }) {
  const date = event.at ? new Date(event.at) : new Date();
  const valid = Number.isNaN(date.getTime()) ? new Date() : date;
  const time = valid.toLocaleTimeString(locale || undefined, { hour: "2-digit", minute: "2-digit" });
  const text = t("message_label", { who: authorName(event, t), time });
  const meta = h("p", { class: "meta" }, h("time", { id, datetime: valid.toISOString() }, text));
  if (!aloud() || event.author === "patient") return meta;
  const button = h("button", { type: "button", class: "icon-button small", title: t("aloud_play"), onclick: () => read(article, event) },
    icon("sound"), h("span", { class: "visually-hidden" }, t("aloud_play")));
  meta.append(button);
  return meta;
}
