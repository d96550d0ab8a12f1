// @ts-check
/** What is kept about the person: see it, correct it, forget one thing, download it, erase it all. */

import { h, plainButton } from "./dom.js";
import { checkbox, section } from "./settings.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {{key: string, title: string, value: string | number, shown: string}} Fact */

const DAY = { day: "numeric", month: "long", year: "numeric" };

/**
 * @param {Chat} chat
 * @returns {HTMLElement}
 */
export function dataPanel(chat) {
  const { t, store } = chat;
  const said = h("p", { class: "hint", role: "status" });
  const shown = h("div", { class: "kept" });
  const tell = (/** @type {string} */ key) => void (said.textContent = t(key));
  // Its rows are made anew: the button that was pressed is gone, and the focus must not go with it.
  const panel = { chat, tell, show: () => showKept().then(() => toggle.focus()) };
  const toggle = h("button", { type: "button", class: "choice", "aria-expanded": "false" }, t("data_show"));

  async function showKept() {
    try {
      shown.replaceChildren(...keptRows(await (await chat.api.about("GET", "data")).json(), panel));
    } catch {
      tell("data_failed");
      return;
    }
    toggle.setAttribute("aria-expanded", "true");
    toggle.textContent = t("data_hide");
  }

  toggle.addEventListener("click", () => {
    if (toggle.getAttribute("aria-expanded") === "false") return void showKept();
    shown.replaceChildren();
    toggle.setAttribute("aria-expanded", "false");
    toggle.textContent = t("data_show");
  });
  const remember = checkbox(t("data_remember"), store.remembered, (on) => store.remember(on));
  const row = h("div", { class: "row" }, toggle,
    plainButton(t("data_download_html"), () => download(chat, "html", tell)),
    plainButton(t("data_download_json"), () => download(chat, "json", tell)));
  const part = section(t("data_title"), row, said, shown);
  if (chat.accepted && !chat.api.signed) part.append(remember, h("p", { class: "hint" }, t("data_remember_note")));
  part.append(erasePart(panel));
  return part;
}

/** @typedef {{chat: Chat, tell: (key: string) => void, show: () => Promise<void>}} Panel */

/**
 * @param {any} kept as the server tells it
 * @param {Panel} panel
 * @returns {HTMLElement[]}
 */
function keptRows(kept, panel) {
  const { t, strings, retentionDays } = panel.chat;
  const since = new Date(kept.created_at).toLocaleDateString(strings.lang, /** @type {any} */ (DAY));
  /** @type {Fact[]} */
  const facts = kept.facts ?? [];
  const own = (kept.events ?? []).filter((/** @type {any} */ event) => event.author === "patient" && !event.body.payload && !event.body.erased);
  return [
    h("p", {}, t("data_since", { date: since, days: retentionDays })),
    h("p", {}, t(kept.facts ? (facts.length ? "data_about" : "data_about_none") : "data_about_unknown")),
    h("ul", { class: "facts" }, ...facts.map((fact) => factRow(fact, panel))),
    h("p", {}, t("data_messages", { count: own.length })),
    h("ul", { class: "facts", "aria-label": t("data_your_words") }, ...own.map((/** @type {any} */ event) => messageRow(event, panel))),
  ];
}

/**
 * @param {Fact} fact
 * @param {Panel} panel
 * @returns {HTMLElement}
 */
function factRow({ key, title, value, shown }, panel) {
  const { t } = panel.chat;
  const save = (/** @type {string | number | null} */ to) =>
    act(panel, "PATCH", "data/facts", { key, value: to }, to === null ? "data_forgotten" : "data_saved");
  const row = h("li", {}, h("span", { dir: "auto" }, `${title}: ${shown}`));
  // Only a number can be typed safely; anything else is forgotten here and said anew in the chat.
  if (typeof value === "number") {
    const input = /** @type {HTMLInputElement} */ (
      h("input", { type: "number", min: "0", max: "120", value: String(value), "aria-label": t("data_change", { what: title }) }));
    row.append(input, plainButton(t("data_save"), () => input.value && save(Number(input.value))));
  }
  row.append(plainButton(t("data_forget", { what: title }), () => save(null)));
  return row;
}

/**
 * @param {any} event
 * @param {Panel} panel
 * @returns {HTMLElement}
 */
function messageRow(event, panel) {
  const { t, log } = panel.chat;
  const forget = async () => {
    if (await act(panel, "DELETE", `data/messages/${event.seq}`, undefined, "data_forgotten")) log.erase(event.seq, t("data_forgotten"));
  };
  return h("li", {}, h("q", { dir: "auto" }, event.body.text), plainButton(t("data_forget_short"), forget));
}

/**
 * @param {Panel} panel
 * @returns {HTMLElement}
 */
function erasePart(panel) {
  const { t } = panel.chat;
  const box = h("div", { class: "erase" });
  const ask = plainButton(t("data_erase"), () => {
    const no = plainButton(t("data_erase_no"), () => {
      box.replaceChildren(ask);
      ask.focus();
    });
    const yes = h("button", { type: "button", class: "choice danger", onclick: () => erase(panel) }, t("data_erase_yes"));
    box.replaceChildren(h("p", { role: "alert" }, t("data_erase_sure")), h("div", { class: "row" }, no, yes));
    no.focus();
  });
  box.append(ask);
  return box;
}

/** @param {Panel} panel */
async function erase(panel) {
  if (await act(panel, "DELETE", "data", undefined, "data_erased")) panel.chat.erased();
}

/**
 * @param {Panel} panel
 * @param {string} method
 * @param {string} what
 * @param {unknown} content
 * @param {string} done
 * @returns {Promise<boolean>}
 */
async function act({ chat, tell, show }, method, what, content, done) {
  try {
    await chat.api.about(method, what, content);
  } catch (error) {
    tell(/** @type {any} */ (error)?.code === "open_handoff" ? "data_open_handoff" : "data_failed");
    return false;
  }
  tell(done);
  if (what !== "data") await show();
  return true;
}

/**
 * @param {Chat} chat
 * @param {"html" | "json"} format
 * @param {(key: string) => void} tell
 */
async function download(chat, format, tell) {
  try {
    const blob = await (await chat.api.about("GET", `data?format=${format}`)).blob();
    const href = URL.createObjectURL(blob);
    h("a", { href, download: `pain-tutor-chat.${format}` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  } catch {
    tell("data_failed");
  }
}
