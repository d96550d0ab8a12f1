// @ts-check
/** A small chart of what changed over time: a dot for each day that was asked, the ends of the axis in words. */

import { drawn, label, s } from "./visual.js";

const PLOT = { left: 34, right: 304, top: 30, bottom: 146 };

/** @param {import("./visual.js").Picture} picture */
export function chart({ values }) {
  const { min = 0, max = 10, low = "", high = "", points = [], marks = [] } = values;
  const last = Math.max(1, ...points.map((/** @type {any} */ { at }) => Number(at)));
  const x = (/** @type {number} */ at) => (points.length > 1 ? PLOT.left + (at / last) * (PLOT.right - PLOT.left) : (PLOT.left + PLOT.right) / 2);
  const y = (/** @type {number} */ value) => PLOT.bottom - ((value - min) / (max - min || 1)) * (PLOT.bottom - PLOT.top);
  const dots = points.map((/** @type {any} */ point) => ({ x: x(Number(point.at)), y: y(Number(point.value)), ...point }));
  /** @type {SVGElement[]} */
  const days = [];
  let free = -Infinity;
  for (const [place, dot] of dots.entries()) {
    // The last day always stands there; one between only where it has room.
    const words = String(dot.day ?? "");
    const wide = words.length * 7.5;
    const end = place === dots.length - 1;
    const at = Math.max(wide / 2, Math.min(318 - wide / 2, dot.x));
    if (!end && (at - wide / 2 < free || at + wide / 2 > dots[dots.length - 1].x - 34)) continue;
    days.push(label(at, PLOT.bottom + 22, words));
    free = at + wide / 2 + 8;
  }
  const number = (/** @type {any} */ dot) => {
    // Where two were given on one day, each number stands beside its dot and not on the line between them.
    const crowded = dots.some((/** @type {any} */ other) => other !== dot && Math.abs(other.x - dot.x) < 12);
    const left = dot.x > (PLOT.left + PLOT.right) / 2;
    if (crowded) return label(dot.x + (left ? -10 : 10), dot.y - 4, String(dot.value), { class: "v-bold", "text-anchor": left ? "end" : "start" });
    return label(Math.min(dot.x, 310), dot.y < PLOT.top + 20 ? dot.y + 22 : dot.y - 11, String(dot.value), { class: "v-bold" });
  };
  const grid = [min, (min + max) / 2, max].map((value) => s("path", { d: `M${PLOT.left} ${y(value)}H${PLOT.right}`, class: "v-grid" }));
  const drawing = drawn(320, 178,
    ...grid, label(PLOT.left - 12, y(max) + 5, String(max)), label(PLOT.left - 12, y(min) + 5, String(min)),
    label(PLOT.left, PLOT.top - 12, String(high), { "text-anchor": "start" }), label(PLOT.left + 2, PLOT.bottom - 6, String(low), { "text-anchor": "start" }),
    ...marks.map((/** @type {any} */ { at }) => s("path", { d: `M${x(Number(at))} ${PLOT.top}V${PLOT.bottom}`, class: "v-line v-thin v-dash v-soft" })),
    s("path", { d: dots.map((/** @type {any} */ dot, /** @type {number} */ place) => `${place ? "L" : "M"}${dot.x.toFixed(1)} ${dot.y.toFixed(1)}`).join("") || "M0 0", class: "v-line v-accent" }),
    ...dots.flatMap((/** @type {any} */ dot) => [
      s("circle", { cx: dot.x, cy: dot.y, r: 5.5, class: "v-strong" }),
      number(dot),
    ]), ...days);
  return { drawing, controls: [] };
}
