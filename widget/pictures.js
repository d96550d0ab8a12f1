// @ts-check
/** The interactive pictures by name. What they say comes with the event (data/visuals); here is how they are drawn. */

import { alarm } from "./picture_alarm.js";
import { brain } from "./picture_brain.js";
import { chart } from "./picture_chart.js";
import { cup } from "./picture_cup.js";
import { dial } from "./picture_dial.js";
import { fearLoop } from "./picture_loop.js";
import { healing } from "./picture_healing.js";
import { message } from "./picture_message.js";
import { twin } from "./picture_twin.js";
import { framed } from "./visual.js";

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./render.js").Context} Context */

const PICTURES = { alarm, brain, chart, cup, dial, fear_loop: fearLoop, healing, message, twin };

/**
 * @param {ChatEvent} event
 * @param {Context} context
 * @returns {HTMLElement[]}
 * @throws for a picture that is not known here: then its words stand in its place
 */
export function shown({ body }, context) {
  const draw = PICTURES[/** @type {keyof typeof PICTURES} */ (body.visual)];
  if (!draw) throw new Error("unknown picture");
  return [framed(body, context, draw)];
}
