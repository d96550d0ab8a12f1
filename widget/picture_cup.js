// @ts-check
/** The cup that fills: drops go in and out, and the cup itself can get bigger. */

import { drawn, s, switches } from "./visual.js";

const BOTTOM = 186;
const SMALL = 84; // height of the cup; each thing that makes room adds `MORE`
const MORE = 24;
const DROP = 22;
const FULL = DROP; // room that is left when it counts as nearly full

/** @param {import("./visual.js").Picture} picture */
export function cup({ body, text, values, say }) {
  const drops = values.drops ?? [];
  const room = values.room ?? [];
  /** @type {Set<string>} */
  const on = new Set(drops.slice(0, 3).map((/** @type {{id: string}} */ { id }) => id));
  /** @type {Set<string>} */
  const made = new Set();
  const stage = s("g");
  const show = () => {
    const high = SMALL + MORE * made.size;
    const filled = DROP * on.size;
    const level = Math.min(filled, high - 3);
    const brim = BOTTOM - high;
    const layers = Array.from({ length: on.size }, (_, place) => BOTTOM - DROP * (place + 1)).filter((y) => y > brim + 6);
    const over = filled > high;
    stage.replaceChildren(
      s("path", { d: side(level), class: "v-fill" }),
      ...layers.map((y) => s("path", { d: `M${wall(BOTTOM - y) + 6} ${y}q18 5 36 0t36 0`, class: "v-line v-thin v-accent" })),
      s("path", { d: `M${wall(high)} ${brim}L120 ${BOTTOM}q0 4 4 4h72q4 0 4-4L${320 - wall(high)} ${brim}`, class: "v-line" }),
      s("path", { d: "M203 152q34 2 30-24-3-20-25-16", class: "v-line" }),
      ...(over ? [drop(92, brim + 18), drop(82, brim + 52), drop(100, brim + 84), drop(252, brim + 30)] : []),
      ...(on.size ? [drop(160, brim - 26)] : []));
    const state = over ? "over" : high - filled < FULL ? "full" : "room";
    say(body.states?.find(({ id }) => id === state));
  };
  show();
  return { drawing: drawn(320, 200, stage), controls: [switches(text("drops"), drops, on, show), switches(text("room"), room, made, show)] };
}

/**
 * Where the left wall of the cup stands.
 * @param {number} height above the bottom
 */
function wall(height) {
  return 120 - height * 0.16;
}

/** @param {number} level */
function side(level) {
  const left = wall(level);
  return `M${left} ${BOTTOM - level}L120 ${BOTTOM}q0 4 4 4h72q4 0 4-4L${320 - left} ${BOTTOM - level}Z`;
}

/**
 * @param {number} x
 * @param {number} y
 */
function drop(x, y) {
  return s("path", { d: `M${x} ${y}c5 7 7 10 7 14a7 7 0 0 1-14 0c0-4 2-7 7-14Z`, class: "v-fill" });
}
