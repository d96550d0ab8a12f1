// @ts-check
/** A pace to breathe by: a circle that grows and shrinks, with words and a count. It starts and stops when it is told to. */

import { h } from "./dom.js";

/** @typedef {import("./render.js").Context} Context */

const MOST_SECONDS = 20;
const MOST_ROUNDS = 30;

/**
 * @param {{in: number, out: number, rounds: number}} pace seconds in and out, and how many breaths
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function breathPace(pace, { t }) {
  const seconds = { in: whole(pace.in, MOST_SECONDS), out: whole(pace.out, MOST_SECONDS) };
  const rounds = whole(pace.rounds, MOST_ROUNDS);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const circle = h("span", { class: "breath-circle", "aria-hidden": "true" });
  const count = h("span", { class: "breath-count", "aria-hidden": "true" });
  const words = h("strong", { class: "breath-words", role: "status" }, t("breath_ready"));
  const round = h("span", { class: "hint" });
  const button = h("button", { type: "button", class: "choice main" }, t("breath_start"));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Animation | undefined} */
  let motion;

  const stop = (/** @type {string} */ key) => {
    clearTimeout(timer);
    timer = undefined;
    motion?.cancel();
    count.textContent = round.textContent = "";
    words.textContent = t(key);
    button.textContent = t("breath_start");
  };
  const breathe = (/** @type {"in" | "out"} */ way, /** @type {number} */ at) => {
    words.textContent = t(`breath_${way}`);
    round.textContent = t("breath_round", { at, of: rounds });
    motion?.cancel();
    const sizes = ["scale(0.6)", "scale(1)"];
    motion = still.matches ? undefined : circle.animate({ transform: way === "in" ? sizes : sizes.reverse() },
      { duration: seconds[way] * 1000, easing: "ease-in-out", fill: "forwards" });
    tick(way, at, seconds[way]);
  };
  const tick = (/** @type {"in" | "out"} */ way, /** @type {number} */ at, /** @type {number} */ left) => {
    if (!button.isConnected) return stop("breath_ready");
    count.textContent = String(left);
    timer = setTimeout(() => {
      if (left > 1) tick(way, at, left - 1);
      else if (way === "in") breathe("out", at);
      else if (at < rounds) breathe("in", at + 1);
      else stop("breath_done");
    }, 1000);
  };
  button.addEventListener("click", () => {
    if (timer !== undefined) return stop("breath_ready");
    button.textContent = t("breath_stop");
    breathe("in", 1);
  });
  return h("div", { class: "breath" }, h("div", { class: "breath-room" }, circle, count), words, round, button);
}

/**
 * @param {number} value
 * @param {number} most
 */
function whole(value, most) {
  return Math.max(1, Math.min(most, Math.round(Number(value)) || 1));
}
