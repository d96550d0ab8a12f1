// @ts-check
/** The alarm: four nudges that stay the same, and the line at which it rings. */

import { drawn, label, s, slider } from "./visual.js";

const NUDGES = [["touch", 24], ["bend", 54], ["lift", 88], ["knock", 124]];
const LINES = [106, 71, 39, 14];
const GROUND = 176;

/** @param {import("./visual.js").Picture} picture */
export function alarm(picture) {
  const { body, text, say } = picture;
  const states = body.states ?? [];
  const bars = s("g");
  const drawing = drawn(320, 206, bars);
  const show = (/** @type {number} */ at) => {
    const line = GROUND - LINES[at];
    bars.replaceChildren(...NUDGES.flatMap(([name, size], place) => {
      const x = 44 + 77 * place;
      const top = GROUND - Number(size);
      const rings = top < line;
      return [
        s("rect", { x: x - 21, y: top, width: 42, height: Number(size), rx: 8, class: rings ? "v-strong" : "v-fill" }),
        rings ? bell(x, top - 17) : null,
        label(x, GROUND + 22, text(String(name))),
      ].filter((part) => part !== null);
    }), s("path", { d: `M8 ${GROUND}H312`, class: "v-line v-soft" }), s("path", { d: `M8 ${line}H312`, class: "v-line v-dash v-accent" }));
    say(states[at]);
  };
  return { drawing, controls: [slider(picture, states, 0, show)] };
}

/**
 * @param {number} x
 * @param {number} y
 */
function bell(x, y) {
  const shape = "M-7 5c2-2 2-4 2-7a5 5 0 0 1 10 0c0 3 0 5 2 7ZM-2 8a2 2 0 0 0 4 0M-12-7a9 9 0 0 0-1 8M12-7a9 9 0 0 1 1 8";
  return s("path", { d: shape, transform: `translate(${x} ${y})`, class: "v-line v-thin v-bell" });
}
