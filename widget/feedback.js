// @ts-check
/** Under an answer: was it of use? A no may say why, and then something is done about it. */

import { h, icon } from "./dom.js";

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./render.js").Context} Context */

const CODES = ["not_for_me", "hard_to_read", "felt_dismissed"];

/**
 * @param {ChatEvent} event an answer of the tutor that the server has numbered
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function feedbackRow(event, { t, rate }) {
  const row = h("div", { class: "feedback", role: "group", "aria-label": t("feedback_label") });
  const send = async (/** @type {"up" | "down"} */ value, /** @type {string | undefined} */ code) => {
    if (!(await rate(event, value, code))) return;
    const asksWhy = value === "down" && !code;
    row.replaceChildren(...(asksWhy ? reasons() : [h("span", { class: "feedback-said", tabindex: "-1" }, t("feedback_thanks"))]));
    /** @type {HTMLElement | null} */ (row.querySelector("[tabindex], button"))?.focus({ preventScroll: true });
  };
  const reasons = () => [
    h("span", { class: "feedback-said" }, t("feedback_why")),
    ...CODES.map((code) => h("button", { type: "button", class: "small-choice", onclick: () => send("down", code) }, t(`feedback_${code}`))),
  ];
  const thumb = (/** @type {"up" | "down"} */ value) =>
    h("button", { type: "button", class: "small-choice", onclick: () => send(value, undefined) }, icon(value), t(`feedback_${value}`));
  row.append(h("span", { class: "feedback-said", "aria-hidden": "true" }, t("feedback_label")), thumb("up"), thumb("down"));
  return row;
}
