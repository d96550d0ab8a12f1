// @ts-check
/**
 * The end of a signed session that nobody uses: said at least two minutes before, with a button to stay; then the session
 * ends on the server too, so that the next person at this computer finds nothing. An anonymous chat has no such end.
 */

import { plainButton } from "./dom.js";

/** @typedef {import("./chat.js").Chat} Chat */

const SAID_BEFORE_MS = 120000;
const KEPT_ALIVE_MS = 300000;
const LOOK_EVERY_MS = 5000;
const SIGNS_OF_LIFE = ["keydown", "pointerdown", "wheel", "touchstart"];

export class Idle {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.limit = 0;
    this.lastSign = Date.now();
    this.lastKept = Date.now();
    /** @type {HTMLElement | null} */
    this.warning = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
  }

  /** @param {number} seconds without a sign of life that end the session; 0: never */
  start(seconds) {
    this.limit = seconds * 1000;
    if (!this.limit) return;
    const { signal } = this.chat.listeners;
    for (const kind of SIGNS_OF_LIFE) this.chat.parts.app.addEventListener(kind, () => this.active(), { signal, passive: true });
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  active() {
    this.lastSign = Date.now();
    if (this.warning) this.stay();
    else if (this.limit && this.lastSign - this.lastKept > KEPT_ALIVE_MS) this.keep();
  }

  look() {
    const left = this.limit - (Date.now() - this.lastSign);
    if (left <= 0) {
      this.stop();
      this.chat.api.logout();
      this.chat.store.forget();
      this.chat.end();
    } else if (left <= SAID_BEFORE_MS && !this.warning) this.warn(Math.max(1, Math.round(left / 60000)));
  }

  /** @param {number} minutes */
  warn(minutes) {
    const { t, parts, alarm } = this.chat;
    const words = t("session_ends", { minutes });
    this.warning = document.createElement("div");
    this.warning.className = "session-ends";
    this.warning.append(words, plainButton(t("session_stay"), () => this.active()));
    parts.activity.before(this.warning);
    alarm(words);
  }

  stay() {
    this.warning?.remove();
    this.warning = null;
    this.keep();
    this.chat.say(this.chat.t("session_stayed"));
  }

  /** The server counts from the last request: reading for long is a sign of life too. */
  keep() {
    this.lastKept = Date.now();
    this.chat.api.events(`after=${Math.max(0, ...this.chat.log.seen)}&wait=0`, "application/json").catch(() => {});
  }
}
