// @ts-check
/** The volume dial: what turns it up and what turns it down, each to be switched on and off. */

import { drawn, label, s, switches } from "./visual.js";

/** @typedef {{id: string, title: string}} Factor */

const CENTRE = [160, 150];
const REACH = 108;
const WIDEST = 75; // degrees to either side
const LOW = 0.4;
const HIGH = 0.6;

/** @param {import("./visual.js").Picture} picture */
export function dial({ body, text, values, say }) {
  const ups = factors(values.ups);
  const calms = factors(values.calms);
  // What calms is switched on by the person: the dial does not begin as turned down for somebody who hurts.
  const on = new Set(ups.map(({ id }) => id));
  const needle = s("g");
  const ticks = Array.from({ length: 11 }, (_, place) => {
    const turn = (place / 10) * 2 * WIDEST - WIDEST;
    return s("path", { d: `M160 ${150 - REACH - 6}V${150 - REACH - (place % 5 ? 12 : 18)}`, class: "v-line v-soft v-thin", transform: `rotate(${turn} 160 150)` });
  });
  const drawing = drawn(320, 190,
    s("path", { d: arc(REACH), class: "v-line v-soft" }), ...ticks, needle,
    s("circle", { cx: CENTRE[0], cy: CENTRE[1], r: 11, class: "v-strong" }),
    label(52, 182, text("ends_first")), label(268, 182, text("ends_last")));
  const show = () => {
    const up = ups.filter(({ id }) => on.has(id)).length;
    const down = calms.filter(({ id }) => on.has(id)).length;
    const most = Math.max(ups.length, calms.length, 1);
    const level = 0.5 + (up - down) / (2 * most);
    const turn = (level * 2 - 1) * WIDEST;
    needle.replaceChildren(
      s("path", { d: arc(REACH, level), class: "v-line v-thick v-accent" }),
      s("path", { d: `M156 150 160 ${150 - REACH + 14} 164 150Z`, class: "v-strong", transform: `rotate(${turn} 160 150)` }),
      ...waves(level));
    const state = level < LOW ? "low" : level > HIGH ? "high" : "middle";
    say(body.states?.find(({ id }) => id === state));
  };
  show();
  const controls = [ups.length ? switches(text("ups"), ups, on, show) : null, calms.length ? switches(text("calms"), calms, on, show) : null];
  return { drawing, controls: controls.filter((part) => part !== null) };
}

/**
 * Sound waves at the end of the dial: one, two or three, so that the level is not told by the needle alone.
 * @param {number} level
 */
function waves(level) {
  const count = 1 + Math.round(level * 2);
  return Array.from({ length: count }, (_, place) => {
    const far = 7 + place * 7;
    return s("path", { d: `M${160 + far} ${178 - far / 2}a${far} ${far} 0 0 1 0 ${far}M${160 - far} ${178 - far / 2}a${far} ${far} 0 0 0 0 ${far}`, class: "v-line v-thin" });
  });
}

/**
 * @param {number} reach
 * @param {number} [share] of the whole arc, from its start
 */
function arc(reach, share = 1) {
  const at = (/** @type {number} */ turn) => {
    const angle = ((turn - 90) * Math.PI) / 180;
    return `${(CENTRE[0] + reach * Math.cos(angle)).toFixed(1)} ${(CENTRE[1] + reach * Math.sin(angle)).toFixed(1)}`;
  };
  return `M${at(-WIDEST)}A${reach} ${reach} 0 0 1 ${at(-WIDEST + 2 * WIDEST * share)}`;
}

/**
 * @param {unknown} given titles, or titles with an id
 * @returns {Factor[]}
 */
function factors(given) {
  return (Array.isArray(given) ? given : []).map((one, place) =>
    typeof one === "string" ? { id: `${place}-${one}`, title: one } : { id: String(one.id ?? one.title), title: String(one.title) });
}
