// @ts-check
/** The parts of the menu: the ways into the tutor, how the chat looks and reads, the language of its labels, what is kept, and the end of the chat. */

import { dataPanel } from "./data.js";
import { h } from "./dom.js";

/** @typedef {import("./chat.js").Chat} Chat */

// The areas of the tutor that stand in the menu; flare-ups have a button that is always there.
const AREAS = ["course", "pictures", "alarm_map", "plan", "scan", "measures", "summary"];

/**
 * @param {Chat} chat
 * @param {(asked?: string) => void} close
 * @returns {HTMLElement[]}
 */
export function menuParts(chat, close) {
  return [learning(chat, close), reading(chat), dataPanel(chat), ending(chat, close)];
}

/**
 * The ways into the tutor: each closes the menu and asks for its page.
 * @param {Chat} chat
 * @param {(asked?: string) => void} close
 * @returns {HTMLElement}
 */
function learning(chat, close) {
  const { t } = chat;
  const buttons = AREAS.map((area) => {
    const title = t(`learn_${area}`);
    const open = () => {
      close(area);
      chat.sending.send({ kind: "button", text: title, payload: `tutor:${area}` });
    };
    return h("button", { type: "button", class: "choice", onclick: open, disabled: !chat.accepted }, title);
  });
  return section(t("learn_title"), h("div", { class: "row" }, ...buttons));
}

/**
 * @param {Chat} chat
 * @returns {HTMLElement}
 */
function reading(chat) {
  const { t, store, looks, start } = chat;
  const size = radios(t("size_label"), "size", ["1", "2", "3"].map((value) => [value, t(`size_${value}`)]),
    store.preference("size") ?? "1", (value) => looks.set({ size: value }));
  const scheme = radios(t("scheme_label"), "scheme", ["auto", "light", "dark"].map((value) => [value, t(`scheme_${value}`)]),
    store.preference("scheme") ?? "auto", (value) => looks.set({ scheme: value }));
  const said = h("p", { class: "hint", role: "status" });
  const form = radios(t("form_label"), "form", ["full", "plain", "flare"].map((value) => [value, t(`form_${value}`)]),
    chat.form(), async (value) => {
      said.textContent = t((await chat.setForm(value)) ? "form_changed" : "form_not_saved");
    });
  const languages = Object.entries(start.languages);
  const language = languages.length < 2 ? null
    : h("div", {}, radios(t("language_label"), "language", languages, chat.locale, (value) => chat.setLocale(value)),
      h("p", { class: "hint" }, chat.strings.answers_language || t("language_note")));
  return section(t("reading_title"), form, said, size, scheme, aloudPart(chat), language);
}

/**
 * @param {Chat} chat
 * @returns {HTMLElement}
 */
function aloudPart({ t, aloud, store }) {
  const rates = radios(t("aloud_rate"), "rate", ["slow", "normal", "fast"].map((value) => [value, t(`aloud_${value}`)]),
    store.preference("rate") ?? "normal", (value) => store.prefer({ rate: value }));
  const box = checkbox(t("aloud_on"), store.preference("aloud") === "on", (on) => {
    store.prefer({ aloud: on ? "on" : "off" });
    if (!on) aloud.stop();
    show();
  });
  const stop = h("button", { type: "button", class: "choice", onclick: () => aloud.stop() }, t("aloud_stop"));
  const none = h("p", { class: "hint" }, t("aloud_none"));
  const show = () => {
    const voice = aloud.voice() !== null;
    /** @type {HTMLInputElement} */ (box.querySelector("input")).disabled = !voice;
    none.hidden = voice;
    rates.hidden = stop.hidden = !voice || store.preference("aloud") !== "on";
  };
  aloud.onVoices = show; // some browsers know their voices only after a while
  show();
  return h("div", {}, box, none, rates, stop);
}

/**
 * @param {Chat} chat
 * @param {(asked?: string) => void} close
 * @returns {HTMLElement}
 */
function ending(chat, close) {
  const { t } = chat;
  const end = () => {
    close();
    chat.sending.endChat();
  };
  const button = h("button", { type: "button", class: "choice", onclick: end, disabled: !chat.accepted }, t("end_button"));
  return section(t("end_title"), button);
}

/**
 * @param {string} title
 * @param {...(Node | null)} content
 * @returns {HTMLElement}
 */
export function section(title, ...content) {
  return h("section", { class: "menu-part" }, h("h3", {}, title), ...content);
}

/**
 * @param {string} label
 * @param {string} name
 * @param {string[][]} options value and title
 * @param {string} chosen
 * @param {(value: string) => void} onchange
 * @returns {HTMLElement}
 */
function radios(label, name, options, chosen, onchange) {
  const rows = options.map(([value, title]) => {
    const input = /** @type {HTMLInputElement} */ (h("input", { type: "radio", name, value }));
    input.checked = value === chosen;
    input.addEventListener("change", () => onchange(value));
    return h("label", { class: "option" }, input, h("span", {}, title));
  });
  return h("fieldset", { class: "menu-choice" }, h("legend", {}, label), h("div", { class: "options" }, ...rows));
}

/**
 * @param {string} label
 * @param {boolean} on
 * @param {(on: boolean) => void} onchange
 * @returns {HTMLElement}
 */
export function checkbox(label, on, onchange) {
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
  input.checked = on;
  input.addEventListener("change", () => onchange(input.checked));
  return h("label", { class: "option" }, input, h("span", {}, label));
}
