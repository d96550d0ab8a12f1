// @ts-check
/** The loop of pain, worry and doing less, and the way out of it: one step at a time. */

import { h, plainButton } from "./dom.js";
import { drawn, label, s } from "./visual.js";

// Four steps round the loop, then three on the way out.
const PLACES = [[106, 40], [168, 104], [106, 168], [44, 104], [262, 168], [262, 104], [262, 40]];
const LOOP = 4;
const WAYS = [
  "M150 46q24 10 24 38", "M172 122q0 26-24 36", "M62 160q-22-10-22-36", "M42 86q0-26 24-36",
  "M150 168h66", "M262 150v-26", "M262 86v-26",
];

/** @param {import("./visual.js").Picture} picture */
export function fearLoop({ body, t, text, say }) {
  const states = (body.states ?? []).slice(0, PLACES.length);
  let at = 0;
  const pills = s("g");
  const ways = s("g");
  const place = h("span", { class: "position" });
  const show = (/** @type {number} */ to) => {
    at = Math.max(0, Math.min(states.length - 1, to));
    ways.replaceChildren(...WAYS.map((d, way) => s("path", { d: d + tip(way), class: `v-line ${way < LOOP ? "v-soft" : "v-accent"}` })));
    pills.replaceChildren(...states.map(({ title }, index) => {
      const [x, y] = PLACES[index];
      const now = index === at;
      return s("g", { class: "v-part", onclick: () => show(index) },
        s("rect", { x: x - 44, y: y - 18, width: 88, height: 36, rx: index < LOOP ? 18 : 8, class: now ? "v-strong" : "v-fill" }),
        label(x, y + 5, title, { class: now ? "v-on" : "" }));
    }));
    place.textContent = t("visual_step", { at: at + 1, of: states.length });
    before.setAttribute("aria-disabled", String(at === 0));
    after.setAttribute("aria-disabled", String(at === states.length - 1));
    const name = text(at < LOOP ? "loop" : "out");
    say(states[at] && { ...states[at], title: `${name}: ${states[at].title}` });
  };
  const before = plainButton(t("questions_back"), () => show(at - 1));
  const after = plainButton(t("questions_next"), () => show(at + 1));
  show(0);
  const drawing = drawn(320, 200, ways, pills);
  return { drawing, controls: [h("div", { class: "row visual-steps" }, before, place, after)] };
}

/**
 * The head of an arrow at the end of a way.
 * @param {number} way
 */
function tip(way) {
  return ["m-6-8 6 9 6-9", "m9 6-9-6 6-9", "m-6 8 6-9 6 9", "m-9-6 9 6-6 9", "m-9-6 9 6-9 6", "m-6 9 6-9 6 9", "m-6 9 6-9 6 9"][way];
}
