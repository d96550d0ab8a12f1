// @ts-check
/**
 * One stream for all tabs that show the same conversation: browsers open six connections to a server at most. The tab
 * that the person looks at holds it and passes on what comes; where locks or channels are missing, each has its own.
 */

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/**
 * What the tab with the stream passes on. `person`: who is writing; `last`: the number up to which it shows everything.
 * @typedef {{event?: ChatEvent, writing?: boolean, person?: string, linked?: boolean, last?: number}} News
 */

export class Tabs {
  /**
   * @param {string} conversation
   * @param {{onNews: (news: News) => void, onLead: () => void, onFollow: () => void}} handlers
   */
  constructor(conversation, handlers) {
    this.name = `pne:${conversation}`;
    this.handlers = handlers;
    this.leading = false;
    this.waiting = false;
    this.stopped = false;
    this.together = Boolean(navigator.locks && typeof BroadcastChannel === "function");
    /** @type {BroadcastChannel | null} */
    this.channel = null;
    /** @type {() => void} */
    this.release = () => {};
  }

  start() {
    try {
      this.channel = this.together ? new BroadcastChannel(this.name) : null;
    } catch {
      this.together = false; // forbidden
    }
    if (!this.channel) return this.handlers.onLead();
    this.channel.onmessage = ({ data }) => this.handlers.onNews(data);
    this.lead(!document.hidden);
  }

  /** @param {boolean} now take the stream from the tab that has it, instead of waiting until that one is closed */
  lead(now) {
    if (!this.together || this.leading || this.stopped || (this.waiting && !now)) return;
    this.waiting ||= !now;
    const held = () => {
      if (!now) this.waiting = false;
      return this.hold();
    };
    navigator.locks.request(this.name, { steal: now }, held).catch((error) => this.lost(error));
  }

  /** @returns {Promise<void>} until the stream is given up */
  hold() {
    if (this.stopped || this.leading) return Promise.resolve();
    this.leading = true;
    this.handlers.onLead();
    return new Promise((resolve) => (this.release = resolve));
  }

  /**
   * Another tab has taken the stream: wait in line again. Or locks are forbidden, as in a frame on another site where
   * the browser keeps all storage from it: then this tab has a stream of its own.
   * @param {DOMException} error
   */
  lost(error) {
    if (this.stopped) return;
    if (error.name !== "AbortError") {
      this.together = false;
      return void this.hold();
    }
    if (!this.leading) return;
    this.leading = false;
    this.handlers.onFollow();
    this.lead(false);
  }

  /** @param {News} news */
  pass(news) {
    if (this.leading) this.channel?.postMessage(news);
  }

  stop() {
    this.stopped = true;
    this.release();
    this.channel?.close();
    this.channel = null;
  }
}
