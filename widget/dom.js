// @ts-check
/** Small helpers over the DOM. Nothing here ever parses HTML: text always goes in as text nodes. */

const SVG = "http://www.w3.org/2000/svg";

/** Line drawings on a 24 by 24 grid; decoration only, so hidden from screen readers. */
const ICONS = {
  phone: "M6.5 3.5 9.5 4l1.2 4-2 1.7a13 13 0 0 0 5.6 5.6l1.7-2 4 1.2.5 3c.1 1.7-1.1 3-2.8 3C10 20.5 3.5 14 3.5 6.3c0-1.7 1.3-2.9 3-2.8Z",
  check: "m5 12.5 4.5 4.5L19 7.5",
  clock: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z",
  person: "M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20c.8-3.5 3.8-5 7.5-5s6.7 1.5 7.5 5",
  shield: "M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6l-7-2.5ZM12 8.5v4M12 15.7v.1",
  info: "M12 11v5M12 8v.1M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z",
};

/**
 * Make an element. `on…` props are listeners, `class` and the rest are attributes; null, undefined and false are left out.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/**
 * @param {keyof typeof ICONS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`page has no #${id}`);
  return /** @type {T} */ (node);
}

/**
 * Wording by key with {name} filled in. A missing key shows nothing rather than a code.
 * @param {Record<string, string>} strings
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 */
export function wording(strings) {
  return (key, values = {}) =>
    String(strings[key] ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @returns {string} a random UUID, also on plain-http pages where randomUUID does not exist */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * Speak through a hidden live region. Each text stays one second: shorter is missed by some screen readers,
 * longer makes a reader that walks the page meet the same words twice.
 * @param {HTMLElement} region
 * @returns {(text: string) => void}
 */
export function announcer(region) {
  return (text) => {
    if (!text) return;
    const line = h("p", {}, text);
    region.append(line);
    setTimeout(() => line.remove(), 1000);
  };
}

/** A pause that can be cut short, as when the network comes back. */
export class Pause {
  constructor() {
    /** @type {() => void} */
    this.end = () => {};
  }

  /**
   * @param {number} ms
   * @returns {Promise<void>}
   */
  wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.end(), ms);
      this.end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
