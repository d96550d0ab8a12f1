// @ts-check
/** The safe subset inside one bubble: paragraphs, line breaks, "- " lists, **bold** and [words](https://…). Never HTML. */

import { h } from "./dom.js";

/** @typedef {import("./transport.js").Body} Body */

const MARKED = /\*\*([^*]+)\*\*|\[([^\]]+)\]\((https:\/\/[^\s()]+)\)/g;

/**
 * @param {string} text
 * @param {string} newPage what a screen reader says of a link that opens another page
 * @returns {HTMLElement[]}
 */
export function richText(text, newPage) {
  /** @type {HTMLElement[]} */
  const blocks = [];
  /** @type {HTMLElement | null} */
  let open = null;
  for (const line of String(text).split("\n")) {
    const item = /^\s*[-•]\s+(.*)$/.exec(line);
    if (!line.trim()) {
      open = null;
      continue;
    }
    const tag = item ? "UL" : "P";
    if (open?.tagName !== tag) blocks.push((open = h(tag.toLowerCase(), { dir: "auto" })));
    else if (!item) open.append(h("br"));
    if (item) open.append(h("li", {}, ...inline(item[1], newPage)));
    else open.append(...inline(line, newPage));
  }
  return blocks;
}

/**
 * @param {string} text
 * @param {string} newPage
 * @returns {(Node | string)[]}
 */
function inline(text, newPage) {
  /** @type {(Node | string)[]} */
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(MARKED)) {
    parts.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[1]) parts.push(h("strong", {}, found[1]));
    else parts.push(link(found[2], found[3], newPage));
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

/**
 * @param {string} words
 * @param {string} href
 * @param {string} newPage
 * @returns {HTMLElement}
 */
export function link(words, href, newPage) {
  const hidden = h("span", { class: "visually-hidden" }, ` (${newPage})`);
  return h("a", { href, target: "_blank", rel: "noreferrer nofollow" }, words, hidden);
}

/**
 * The words of a body, in the form that is being shown.
 * @param {Body} body
 * @param {string} [form]
 * @returns {string[]}
 */
export function bubblesOf(body, form) {
  const chosen = form ? body.forms?.[form] : undefined;
  if (chosen?.length) return chosen.map(String);
  if (body.bubbles?.length) return body.bubbles.map(String);
  return [body.lead, body.text].filter((part) => typeof part === "string" && part !== "").map(String);
}

/**
 * The same words for a screen reader or a voice, without marks of layout.
 * @param {Body} body
 * @param {string} [form]
 * @returns {string}
 */
export function spoken(body, form) {
  const short = Boolean(form && body.forms?.[form]?.length);
  const text = (!short && body.fallback_text) || bubblesOf(body, form).join("\n");
  return text
    .replace(MARKED, (_whole, bold, words) => bold ?? words)
    .replace(/^\s*[-•]\s+/gm, "")
    .trim();
}
