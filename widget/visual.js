// @ts-check
/** What every picture has around its drawing: title, label, controls, the state in words, the caveat, and the same as words. */

import { h } from "./dom.js";
import { opening } from "./parts.js";
import { richText } from "./rich.js";

/** @typedef {import("./transport.js").Body} Body */
/** @typedef {import("./transport.js").Named} Named */
/** @typedef {import("./render.js").Context} Context */
/**
 * What a picture gets: its `body`, the interface's words, and where the person finds what it says. `text` is one of the
 * picture's own labels.
 * @typedef {{body: Body, t: Context["t"], text: (key: string) => string, values: Record<string, any>,
 *   say: (said: Named | undefined) => void}} Picture
 */
/** @typedef {Record<string, string | number | null | (() => void)>} Props */

const SVG = "http://www.w3.org/2000/svg";
let pictures = 0;

/**
 * @param {Body} body
 * @param {Context} context
 * @param {(picture: Picture) => {drawing: SVGElement, controls: HTMLElement[]}} draw
 * @returns {HTMLElement}
 */
export function framed(body, { t }, draw) {
  const id = `visual-${++pictures}`;
  const said = h("div", { role: "status" });
  const texts = body.texts ?? body.values?.texts ?? {};
  const say = (/** @type {Named | undefined} */ part) => said.replaceChildren(...(part ? [paragraph(part)] : []));
  const { drawing, controls } = draw({ body, t, say, text: (key) => String(texts[key] ?? ""), values: body.values ?? {} });
  const twin = (body.twin ?? []).flatMap((text) => richText(text, t("link_new_page")));
  const words = opening(t("visual_words"), twin);
  words.classList.add("visual-twin");
  // As high as its longest text, so that the controls below it stay where they are while they are used.
  const room = (body.states ?? []).map((state) => h("div", { class: "visual-room", "aria-hidden": "true" }, paragraph(state)));
  const caveat = body.caveat ? h("p", { class: "visual-caveat" }, body.caveat) : null;
  const early = body.visual === "brain"; // never out of sight of the drawing
  return h("section", { class: "visual", "aria-labelledby": id, lang: body.lang ?? "en", dir: "ltr", "data-visual": body.visual },
    h("p", { class: "card-title", id }, String(body.title ?? "")),
    body.label ? h("p", { class: "visual-label" }, body.label) : null,
    h("div", { class: "visual-stage" }, drawing), early ? caveat : null,
    room.length ? h("div", { class: "visual-says" }, ...room, said) : null,
    ...controls, early ? null : caveat, twin.length ? words : null);
}

/** @param {Named} part */
function paragraph({ title, text }) {
  return h("p", {}, h("strong", {}, title), " ", text);
}

/**
 * A drawing. What it shows is said by the controls and the words beside it, so it is not read out.
 * @param {number} width
 * @param {number} height
 * @param {...(SVGElement | null)} children
 * @returns {SVGElement}
 */
export function drawn(width, height, ...children) {
  return s("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" }, ...children);
}

/**
 * @param {string} tag
 * @param {Props} [props] attributes, and listeners as `onclick`; null is left out
 * @param {...(SVGElement | string | null)} children
 * @returns {SVGElement}
 */
export function s(tag, props = {}, ...children) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== null) node.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {Props} [props]
 */
export function label(x, y, words, props = {}) {
  return s("text", { x, y, "text-anchor": "middle", ...props }, words);
}

/**
 * One of several, as radio buttons beside each other.
 * @param {string} legend
 * @param {{id: string, title: string}[]} options
 * @param {string} chosen
 * @param {(id: string) => void} onchange
 * @returns {HTMLElement}
 */
export function oneOf(legend, options, chosen, onchange) {
  const name = `visual-choice-${++pictures}`;
  return h("fieldset", { class: "visual-choices" }, h("legend", {}, legend), ...options.map(({ id, title }) => {
    const input = /** @type {HTMLInputElement} */ (h("input", { type: "radio", name, value: id }));
    input.checked = id === chosen;
    input.addEventListener("change", () => onchange(id));
    return h("label", { class: "option" }, input, h("span", {}, title));
  }));
}

/**
 * Things to switch on and off.
 * @param {string} legend
 * @param {{id: string, title: string}[]} options
 * @param {Set<string>} on
 * @param {() => void} onchange
 * @returns {HTMLElement}
 */
export function switches(legend, options, on, onchange) {
  return h("fieldset", { class: "visual-choices" }, h("legend", {}, legend), ...options.map(({ id, title }) => {
    const button = h("button", { type: "button", class: "visual-switch", "aria-pressed": String(on.has(id)) }, title);
    button.addEventListener("click", () => {
      if (!on.delete(id)) on.add(id);
      button.setAttribute("aria-pressed", String(on.has(id)));
      onchange();
    });
    return button;
  }));
}

/**
 * A slider over states, from the first to the last; each is said by its title.
 * @param {Picture} picture its labels `control`, `ends_first` and `ends_last`
 * @param {Named[]} states
 * @param {number} at
 * @param {(at: number) => void} onchange
 * @returns {HTMLElement}
 */
export function slider({ text }, states, at, onchange) {
  const id = `visual-range-${++pictures}`;
  const input = /** @type {HTMLInputElement} */ (h("input", { id, type: "range", min: "0", max: String(states.length - 1), step: "1" }));
  input.value = String(at);
  const show = () => {
    input.setAttribute("aria-valuetext", states[Number(input.value)].title);
    onchange(Number(input.value));
  };
  input.addEventListener("input", show);
  show();
  return h("div", { class: "visual-range" }, h("label", { for: id }, text("control")), input,
    h("p", { class: "ends", "aria-hidden": "true" }, h("span", {}, text("ends_first")), h("span", {}, text("ends_last"))));
}

/**
 * Parts that can be looked at, one at a time; pressed again a part is put away.
 * @param {string} legend
 * @param {Named[]} parts
 * @param {(chosen: Named | undefined) => void} onchange
 * @returns {{box: HTMLElement, choose: (id: string) => void}}
 */
export function parts(legend, parts, onchange) {
  const said = h("div", { class: "visual-part", role: "status" });
  let chosen = "";
  const buttons = parts.map(({ id, title }, place) => {
    const number = h("span", { class: "visual-number", "aria-hidden": "true" }, String(place + 1));
    return h("button", { type: "button", class: "visual-switch", "aria-pressed": "false", onclick: () => choose(id) }, number, title);
  });
  const choose = (/** @type {string} */ id) => {
    chosen = id === chosen ? "" : id;
    for (const [place, button] of buttons.entries()) button.setAttribute("aria-pressed", String(parts[place].id === chosen));
    const part = parts.find((one) => one.id === chosen);
    said.replaceChildren(...(part ? [paragraph(part)] : []));
    onchange(part);
  };
  return { box: h("fieldset", { class: "visual-choices" }, h("legend", {}, legend), ...buttons, said), choose };
}
