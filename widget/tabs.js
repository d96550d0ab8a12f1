// @ts-check
/**
 * One stream for all tabs that show the same conversation: browsers open six connections to a server at most. The tab
 * that the person looks at holds it and passes on what comes; where locks or channels are missing, each has its own.
 */

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */

export class Tabs {
  /**
   * @param {string} conversation
   * @param {{onEvent: (event: ChatEvent) => void, onWriting: (open: boolean) => void, onLead: () => void,
   *          onFollow: () => void}} handlers
   */
  constructor(conversation, handlers) {
    this.name = `pne:${conversation}`;
    this.handlers = handlers;
    this.leading = false;
    this.stopped = false;
    this.together = Boolean(navigator.locks && typeof BroadcastChannel === "function");
    /** @type {BroadcastChannel | null} */
    this.channel = null;
    /** @type {() => void} */
    this.release = () => {};
  }

  start() {
    if (!this.together) return this.handlers.onLead();
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = ({ data }) => {
      if (data?.event) this.handlers.onEvent(data.event);
      if (typeof data?.writing === "boolean") this.handlers.onWriting(data.writing);
    };
    this.lead(!document.hidden);
  }

  /** @param {boolean} now take the stream from the tab that has it, instead of waiting until that one is closed */
  lead(now) {
    if (!this.together || this.leading || this.stopped) return;
    const held = () => this.hold();
    const asked = now ? navigator.locks.request(this.name, { steal: true }, held) : navigator.locks.request(this.name, held);
    asked.catch(() => this.lost());
  }

  /** @returns {Promise<void>} until the stream is given up */
  hold() {
    if (this.stopped || this.leading) return Promise.resolve();
    this.leading = true;
    this.handlers.onLead();
    return new Promise((resolve) => (this.release = resolve));
  }

  /** Another tab has taken the stream: wait in line again. */
  lost() {
    if (!this.leading || this.stopped) return;
    this.leading = false;
    this.handlers.onFollow();
    this.lead(false);
  }

  /** @param {{event?: ChatEvent, writing?: boolean}} news */
  pass(news) {
    this.channel?.postMessage(news);
  }

  stop() {
    this.stopped = true;
    this.release();
    this.channel?.close();
  }
}
