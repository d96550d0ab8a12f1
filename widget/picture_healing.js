// @ts-check
/** How long the main repair takes, tissue by tissue, over half a year. */

import { drawn, label, oneOf, s } from "./visual.js";

const LEFT = 88;
const WEEK = 8.4;
const LONGEST = 26;
const ROW = 28;

/** @param {import("./visual.js").Picture} picture */
export function healing({ body, text, values, say }) {
  const states = body.states ?? [];
  const rows = s("g");
  const foot = 40 + ROW * states.length;
  const at = (/** @type {number} */ week) => LEFT + week * WEEK;
  let chosen = states[0]?.id;
  const show = () => {
    rows.replaceChildren(...states.flatMap(({ id }, place) => {
      const [from, to] = values.weeks?.[id] ?? [0, 0];
      const y = 36 + ROW * place;
      const mine = id === chosen;
      return [
        label(LEFT - 8, y + 14, text(id), { "text-anchor": "end", class: mine ? "v-bold" : "" }),
        s("rect", { x: at(0), y, width: from * WEEK, height: 18, rx: 5, class: mine ? "v-strong" : "v-fill" }),
        s("rect", { x: at(from), y, width: (to - from) * WEEK, height: 18, rx: 5, class: mine ? "v-open v-mine" : "v-open" }),
      ];
    }));
    say(states.find(({ id }) => id === chosen));
  };
  show();
  const ticks = [0, 4, 8, 12, 16, 20, 24].flatMap((week) => [
    s("path", { d: `M${at(week)} 30V${foot}`, class: "v-grid" }), label(at(week), foot + 16, String(week)),
  ]);
  // From 3 to 6 months, by when most of the repair is done.
  const band = [
    s("rect", { x: at(13), y: 24, width: (LONGEST - 13) * WEEK, height: foot - 24, class: "v-band" }),
    label(at(19.5), 16, text("band")),
  ];
  const drawing = drawn(320, foot + 46, ...band, ...ticks, rows, label(LEFT - 14, foot + 16, text("weeks"), { "text-anchor": "end" }), label(160, foot + 38, text("key")));
  const options = states.map(({ id }) => ({ id, title: text(id) }));
  return { drawing, controls: [oneOf(text("control"), options, chosen ?? "", (id) => { chosen = id; show(); })] };
}
