// @ts-check
/** The parts that are always there: who answers, the ways out, the transcript, the box to write in, the live regions. */

import { h, icon } from "./dom.js";
import { callList } from "./parts.js";

/** @typedef {import("./element.js").Start} Start */
/** @typedef {(key: string, values?: Record<string, string | number>) => string} Words */
/**
 * @typedef {{app: HTMLElement, status: HTMLElement, person: HTMLButtonElement, flare: HTMLButtonElement, menu: HTMLButtonElement,
 *   close: HTMLButtonElement | null, urgent: HTMLDetailsElement, leave: HTMLElement, log: HTMLElement, more: HTMLElement,
 *   activity: HTMLElement, form: HTMLFormElement, input: HTMLTextAreaElement, send: HTMLButtonElement,
 *   counter: HTMLElement, polite: HTMLElement, assertive: HTMLElement, title: HTMLElement}} Parts
 */

/**
 * @param {ShadowRoot} root
 * @param {{t: Words, strings: Record<string, string>, start: Start, home: string, page: boolean, closable: boolean}} about
 * @returns {Parts}
 */
export function buildShell(root, { t, strings, start, home, page, closable }) {
  const { clinic } = start;
  const exit = clinic.exit_url ?? "about:blank";
  const title = h("h1", { tabindex: "-1" }, t("tutor_name"), " ", h("span", { class: "clinic" }, clinic.name));
  const status = h("p", { id: "status", class: "status" }, t("status_bot"));
  const person = h("button", { id: "person", class: "helper", type: "button", disabled: true }, t("person_button"));
  const flare = h("button", { id: "flare", class: "helper", type: "button", hidden: true }, t("flare_button"));
  const leave = h("a", { id: "leave", class: "helper leave", href: exit, target: "_top", rel: "noreferrer nofollow" }, t("leave_button"));
  const menu = iconButton("menu", t("menu_button"), { id: "menu", "aria-haspopup": "dialog" });
  const close = closable ? iconButton("close", t("close_chat"), { id: "close" }) : null;
  const urgent = urgentHelp(t, clinic.numbers);
  const log = h("div", { id: "log", class: "log", role: "log", "aria-live": "off", tabindex: "0", "aria-label": t("log_label") });
  const more = h("button", { id: "more", class: "more", type: "button", hidden: true }, t("new_messages"));
  const activity = h("p", { id: "activity", class: "activity", role: "status" });
  const input = h("textarea", {
    id: "input", rows: "1", autocomplete: "off", autocapitalize: "sentences", enterkeyhint: "send", dir: "auto",
    "aria-describedby": "counter", placeholder: t("input_locked"), disabled: true,
  });
  const send = h("button", { id: "send", class: "send", type: "submit", "aria-disabled": "true" }, icon("send"), hiddenText(t("send_button")));
  const form = h("form", { id: "composer", class: "composer", novalidate: true },
    h("label", { class: "visually-hidden", for: "input" }, t("input_label")), input, send);
  const counter = h("p", { id: "counter", class: "counter", hidden: true });
  const polite = h("div", { id: "polite", class: "visually-hidden", "aria-live": "polite" });
  const assertive = h("div", { id: "assertive", class: "visually-hidden", "aria-live": "assertive" });
  const app = h("div", { id: "app", class: `app ${page ? "fill" : "inside"}`, lang: strings.lang, dir: strings.dir },
    h(page ? "header" : "div", { class: "top" },
      h("img", { class: "logo", src: home + (clinic.logo ?? "/static/logo.svg"), alt: "", width: "40", height: "40" }),
      h("div", { class: "who" }, title, status),
      h("div", { class: "corner" }, menu, close),
      h("div", { class: "helpers" }, person, flare, urgent, leave)),
    h(page ? "main" : "div", { class: "talk" }, log, more),
    h(page ? "footer" : "div", { class: "bottom" }, activity, form, counter),
    polite, assertive);
  if (!page) {
    app.setAttribute("role", "region");
    app.setAttribute("aria-label", t("frame_title"));
  }
  root.replaceChildren(app);
  return /** @type {any} */ ({
    app, status, person, flare, menu, close, urgent, leave, log, more, activity, form, input, send, counter, polite, assertive, title,
  });
}

/**
 * A button with a drawing and its name for those who do not see it.
 * @param {Parameters<typeof icon>[0]} drawing
 * @param {string} name
 * @param {Record<string, any>} [props]
 * @returns {HTMLElement}
 */
export function iconButton(drawing, name, props = {}) {
  return h("button", { type: "button", class: "icon-button", title: name, ...props }, icon(drawing), hiddenText(name));
}

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
function hiddenText(text) {
  return h("span", { class: "visually-hidden" }, text);
}

/**
 * @param {Words} t
 * @param {Record<string, any>} numbers
 * @returns {HTMLElement}
 */
function urgentHelp(t, numbers) {
  const calls = [numbers.emergency, numbers.urgent, ...(numbers.crisis ?? [])].filter(Boolean);
  return h("details", { id: "urgent", class: "urgent" },
    h("summary", { class: "helper helper-urgent" }, t("urgent_button")),
    h("div", { class: "urgent-panel", role: "group", "aria-labelledby": "urgent-title" },
      h("h2", { id: "urgent-title" }, t("urgent_title")),
      h("p", {}, t(calls.length ? "urgent_intro" : "urgent_none")),
      callList(calls, t)));
}
