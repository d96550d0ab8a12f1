// @ts-check
/** Areas of the brain that share the work: an illustration, never a scan. Rings, not colour, tell how busy an area is. */

import { drawn, label, oneOf, parts, s } from "./visual.js";

// Where the areas are drawn; their order is that of the event's regions.
const AREAS = [[170, 46], [124, 52], [140, 112], [88, 82], [188, 120], [66, 118]];
const OUTLINE = "M64 152c-22-4-34-22-28-40-10-16-2-38 16-44 2-22 26-36 48-30 14-18 44-22 62-10 24-8 48 4 54 24 20 6 30 28 22 46 6 20-8 38-28 40-8 14-30 18-44 8-10 4-22 2-28-4-14 12-40 10-72 10Z";
const FOLDS = "M52 68c14-2 24 4 28 14M100 38c-2 14 4 22 14 26M216 52c-12 2-20 10-20 20M206 138c2-12-4-22-14-26M36 112c10-6 20-4 28 2M162 28c-4 8-2 16 4 22";

/** @param {import("./visual.js").Picture} picture */
export function brain({ body, text, values, say }) {
  const states = body.states ?? [];
  const regions = body.regions ?? [];
  const areas = s("g");
  let state = states[0];
  /** @type {import("./transport.js").Named | undefined} */
  let looked;
  const show = () => {
    areas.replaceChildren(...regions.slice(0, AREAS.length).map((region, place) => {
      const [x, y] = AREAS[place];
      const busy = Number(values.levels?.[state?.id ?? ""]?.[region.id] ?? 1);
      const chosen = region === looked;
      const rings = Array.from({ length: busy }, (_, ring) => s("circle", { cx: x, cy: y, r: 12 + 5 * ring, class: "v-ring" }));
      return s("g", { class: "v-part", onclick: () => looks.choose(region.id) }, ...rings.reverse(),
        s("circle", { cx: x, cy: y, r: 11, class: chosen ? "v-strong" : "v-fill" }),
        label(x, y + 5, String(place + 1), { class: chosen ? "v-on" : "" }));
    }));
    say(state);
  };
  const looks = parts(text("regions"), regions, (chosen) => {
    looked = chosen;
    show();
  });
  const key = s("g", {}, s("circle", { cx: 24, cy: 206, r: 6, class: "v-ring" }), s("circle", { cx: 24, cy: 206, r: 11, class: "v-ring" }),
    label(44, 211, text("key"), { "text-anchor": "start" }));
  const drawing = drawn(290, 224, s("path", { d: OUTLINE, class: "v-line" }), s("path", { d: FOLDS, class: "v-line v-soft v-thin" }),
    s("path", { d: "M170 153q4 16-2 26M184 150q6 18 2 30", class: "v-line" }), areas, key);
  show();
  const day = oneOf(text("state"), states, state?.id ?? "", (id) => {
    state = states.find((one) => one.id === id) ?? state;
    show();
  });
  return { drawing, controls: [day, looks.box] };
}
