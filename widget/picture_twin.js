// @ts-check
/** A scan and pain, side by side: the same hundred people without pain, as dots. */

import { drawn, label, oneOf, s } from "./visual.js";

const STEP = 13.6;

/** @param {import("./visual.js").Picture} picture */
export function twin({ body, text, values, say }) {
  const states = body.states ?? [];
  // A state is called after its finding and its age: disc_bulge_50.
  const [findings, ages] = [/_(?=\d+$)/, /.*_/].map((cut, first) =>
    [...new Set(states.map(({ id }) => (first ? id.replace(cut, "") : id.split(cut)[0])))]);
  const chosen = { finding: findings[0], age: ages[Math.floor((ages.length - 1) / 2)] };
  const dots = s("g");
  const show = () => {
    const id = `${chosen.finding}_${chosen.age}`;
    dots.replaceChildren(...field(8, Number(values.dots?.[id] ?? 0)), ...field(180, 0));
    say(states.find((state) => state.id === id));
  };
  show();
  const drawing = drawn(320, 172, label(70, 18, text("scan")), label(242, 18, text("pain")), dots);
  const named = (/** @type {string[]} */ ids, /** @type {string} */ before) => ids.map((id) => ({ id, title: text(before + id) || id }));
  return {
    drawing,
    controls: [
      oneOf(text("finding"), named(findings, ""), chosen.finding, (id) => { chosen.finding = id; show(); }),
      oneOf(text("age"), named(ages, "around_"), chosen.age, (id) => { chosen.age = id; show(); }),
    ],
  };
}

/**
 * Ten rows of ten dots; full ones have a mark that needs no colour: they are bigger.
 * @param {number} left
 * @param {number} full
 */
function field(left, full) {
  return Array.from({ length: 100 }, (_, place) => {
    const [x, y] = [left + 5 + (place % 10) * STEP, 36 + Math.floor(place / 10) * STEP];
    return s("circle", { cx: x, cy: y, r: place < full ? 5.4 : 4, class: place < full ? "v-strong" : "v-dot" });
  });
}
