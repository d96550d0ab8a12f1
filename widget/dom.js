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
  send: "M12 19.5V5M5.5 11.5 12 5l6.5 6.5",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "m6 6 12 12M18 6 6 18",
  up: "M7 20V10m0 10H4V10h3m0 0 4.5-6.5c1.6 0 2.5 1.2 2.2 2.7L13 9.5h5.3a2 2 0 0 1 2 2.4l-1.2 6.4a2 2 0 0 1-2 1.7H7",
  down: "M7 4v10M7 4H4v10h3m0-10h9.9a2 2 0 0 1 2 1.7l1.2 6.4a2 2 0 0 1-2 2.4H13l.7 3.3c.3 1.5-.6 2.7-2.2 2.7L7 14",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4ZM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  next: "m9 5 7 7-7 7",
  previous: "m15 5-7 7 7 7",
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
 * @param {string} title
 * @param {() => void} onclick
 * @returns {HTMLElement}
 */
export function plainButton(title, onclick) {
  return h("button", { type: "button", class: "choice", onclick }, title);
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
