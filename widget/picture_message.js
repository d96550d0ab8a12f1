// @ts-check
/** The way of a danger message from the foot to the brain, with the dimmer in the spinal cord. */

import { drawn, parts, s, slider } from "./visual.js";

const STOPS = [[44, 170], [56, 94], [150, 70], [262, 58]];
const BEFORE = "M44 170C50 150 54 122 56 94C60 62 92 62 150 70";
const AFTER = "M150 70C196 78 222 66 262 58";
const STRENGTHS = [2, 5, 9];

/** @param {import("./visual.js").Picture} picture */
export function message(picture) {
  const { body, text, say } = picture;
  const states = body.states ?? [];
  const regions = body.regions ?? [];
  const after = s("path", { d: AFTER, class: "v-line v-accent" });
  const dimmer = s("g");
  const marks = s("g");
  let state = 1;
  /** @type {import("./transport.js").Named | undefined} */
  let looked;
  const stops = parts(text("regions"), regions, (chosen) => {
    looked = chosen;
    show(state);
  });
  const show = (/** @type {number} */ at) => {
    state = at;
    after.setAttribute("stroke-width", String(STRENGTHS[at]));
    dimmer.replaceChildren(...knob(at));
    marks.replaceChildren(...STOPS.map(([x, y], place) => {
      const region = regions[place];
      const chosen = region !== undefined && region === looked;
      return s("g", { class: "v-part", onclick: () => region && stops.choose(region.id) },
        s("circle", { cx: x, cy: y, r: 17, class: chosen ? "v-strong" : "v-fill" }),
        s("text", { x, y: y + 5, "text-anchor": "middle", class: chosen ? "v-on" : "" }, String(place + 1)));
    }));
    say(states[at]);
  };
  const drawing = drawn(320, 206,
    s("path", { d: "M36 76V146C32 160 16 162 10 174c-4 10 0 18 12 18h46c12 0 14-8 10-20q-4-12-2-26V76", class: "v-line v-soft" }),
    s("path", { d: "M230 90c-14-2-20-14-14-24-6-14 4-28 18-28 6-14 28-18 38-6 16-4 30 8 28 22 10 10 4 28-10 30-6 10-22 12-30 4-8 6-24 8-30 2Z", class: "v-line v-soft" }),
    s("path", { d: BEFORE, class: "v-line v-accent", "stroke-width": 5 }), after, marks, dimmer);
  const range = slider(picture, states, 1, show);
  return { drawing, controls: [range, stops.box] };
}

/**
 * The dimmer beside the spinal cord: three bars, of which as many are full as it lets through.
 * @param {number} at
 */
function knob(at) {
  return [0, 1, 2].map((place) => {
    const height = 10 + 8 * place;
    return s("rect", { x: 130 + 16 * place, y: 152 - height, width: 11, height, rx: 3, class: place <= at ? "v-strong" : "v-fill" });
  }).concat(s("path", { d: "M150 90V112", class: "v-line v-thin v-soft" }));
}
