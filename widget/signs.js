// @ts-check
/**
 * Signs to the clinic's people: that something is being written, and which message of theirs has been on the screen.
 * Never what is written; nothing before the notice is accepted, and nothing from a page that nobody can see.
 */

import { h } from "./dom.js";

/** @typedef {import("./chat.js").Chat} Chat */

const TYPING_EVERY_MS = 3000;
const SHOWN_AFTER_MS = 1000;

export class Signs {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.typedAt = 0;
    this.told = 0; // number of the last message that the server knows was shown
    /** @type {Set<number>} messages whose end is on the screen */
    this.inView = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.watcher = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        this.inView[isIntersecting ? "add" : "delete"](Number(target.parentElement?.dataset.seq));
      }
      this.soon();
    });
    chat.parts.input.addEventListener("input", () => this.typing());
  }

  /** @returns {boolean} whether somebody can see this page, and the server can be told so */
  get able() {
    const { accepted, away, activity } = this.chat;
    return accepted && !away && !document.hidden && navigator.onLine && activity.state.linked;
  }

  typing() {
    const { status, input } = this.chat.parts;
    const now = Date.now();
    if (status.dataset.state !== "human" || !input.value || !this.able || now - this.typedAt < TYPING_EVERY_MS) return;
    this.typedAt = now;
    this.tell({ typing: true });
  }

  /** @param {number} seq of a message that somebody of the clinic has written */
  watch(seq) {
    const end = h("span");
    this.chat.parts.log.querySelector(`[data-seq="${seq}"]`)?.append(end);
    this.watcher.observe(end);
  }

  /** Once the screen has been still for a moment, and again when the page is looked at or the network is back. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.shown(), SHOWN_AFTER_MS);
  }

  async shown() {
    const seq = Math.max(0, ...this.inView);
    if (seq <= this.told || !this.able) return;
    if (await this.tell({ shown: seq })) this.told = Math.max(this.told, seq);
  }

  /**
   * @param {{typing: true} | {shown: number}} sign
   * @returns {Promise<boolean>} whether the server has it
   */
  async tell(sign) {
    try {
      await this.chat.api.about("POST", "signs", sign);
      return true;
    } catch {
      return false; // it is not worth a word to the person, who waits for nothing
    }
  }

  stop() {
    clearTimeout(this.timer);
    this.watcher.disconnect();
  }
}
