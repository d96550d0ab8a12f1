// @ts-check
/** Parts of the page around the transcript: its size, the "Urgent help" panel and the line that says what goes on. */

import { h } from "./dom.js";

const PERSON_MS = 6000; // twice as long as a page of the clinic is silent between two signs

/**
 * Keep the page inside the part of the screen that is really visible. iOS does not shrink the layout viewport
 * when the keyboard opens, so its height is copied into CSS variables; a pinch zoom is left alone.
 * @param {HTMLElement} app
 * @param {() => void} changed called after each change of size
 * @param {AddEventListenerOptions} options
 */
export function fitViewport(app, changed, options) {
  const view = window.visualViewport;
  if (!view) return;
  const fit = () => {
    if (Math.abs(view.scale - 1) > 0.01) return;
    const { style } = app;
    style.setProperty("--view-height", `${view.height}px`);
    style.setProperty("--view-top", `${view.offsetTop}px`);
    changed();
  };
  view.addEventListener("resize", fit, options);
  view.addEventListener("scroll", fit, options);
  fit();
}

/**
 * "Urgent help" opens without this code; Escape, a tap outside and moving on close it again.
 * @param {HTMLDetailsElement} details
 * @param {AddEventListenerOptions} options
 */
export function urgentPanel(details, options) {
  const summary = details.querySelector("summary");
  const close = () => (details.open = false);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    close();
    summary?.focus();
  }, options);
  document.addEventListener("pointerdown", (event) => {
    if (!event.composedPath().includes(details)) close();
  }, options);
  details.addEventListener("focusout", (event) => {
    const next = /** @type {Node | null} */ (event.relatedTarget);
    if (next && !details.contains(next)) close();
  });
}

/** The line above the input: connecting, no link, or writing. Empty when there is nothing to say. */
export class Activity {
  /**
   * @param {HTMLElement} line
   * @param {import("./shell.js").Words} t
   */
  constructor(line, t) {
    this.line = line;
    this.t = t;
    this.state = { loading: true, linked: true, writing: false, name: "" };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {string} name of somebody of the clinic who is writing; empty: no longer */
  person(name) {
    clearTimeout(this.timer);
    this.timer = name ? setTimeout(() => this.person(""), PERSON_MS) : undefined;
    this.show({ name });
  }

  /** @param {Partial<Activity["state"]>} change */
  show(change = {}) {
    Object.assign(this.state, change);
    const { loading, linked, writing, name } = this.state;
    const lost = navigator.onLine ? "reconnecting" : "offline";
    const key = loading ? "connecting" : !linked ? lost : name ? "typing_person" : writing ? "typing" : "";
    const words = this.t(key, { name });
    this.line.dataset.key = key;
    if (this.line.textContent === words) return; // said again it would be heard again
    this.line.replaceChildren();
    if (!key) return;
    this.line.append(h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), words);
  }
}
