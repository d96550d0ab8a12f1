// @ts-check
/** Receiving: server-sent events read with fetch, a long poll where streaming is blocked, resume by sequence number. */

import { Pause } from "./dom.js";

/** @typedef {import("./transport.js").Api} Api */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */

const FIRST_BYTE_MS = 5000; // a proxy that buffers the stream shows nothing for longer than this
const SILENT_MS = 45000; // three missed heartbeats
const POLL_WAIT_S = 25;
const POLL_FOR_MS = 120000; // then streaming gets another try
const STALE_MS = 20000;
const SHORT_MS = 2000; // a stream that ends sooner counts as a failure, or a broken proxy would be asked without pause

/**
 * Wait with full jitter, so that a thousand pages do not come back in the same second.
 * @param {number} failures
 * @param {number} [cap] longest wait in milliseconds
 * @returns {number} milliseconds
 */
export function backoff(failures, cap = 30000) {
  const top = Math.min(cap, 1000 * 2 ** Math.min(failures, 10));
  return top / 2 + Math.random() * (top / 2);
}

/**
 * Reads server-sent events from text that comes in pieces.
 * @param {(frame: {id: string, event: string, data: string}) => void} onFrame
 * @returns {(chunk: string) => void}
 */
export function frameReader(onFrame) {
  let rest = "";
  let frame = { id: "", event: "message", data: "" };
  /** @param {string} line */
  const take = (line) => {
    if (line === "") {
      if (frame.data) onFrame({ ...frame, data: frame.data.slice(0, -1) });
      frame = { id: "", event: "message", data: "" };
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") frame.data += `${value}\n`;
    else if (field === "id") frame.id = value;
    else if (field === "event") frame.event = value || "message";
  };
  return (chunk) => {
    rest += chunk;
    // A lone CR at the end may be the first half of CRLF: leave it for the next piece.
    const held = rest.endsWith("\r") ? "\r" : "";
    const lines = (held ? rest.slice(0, -1) : rest).split(/\r\n|\r|\n/);
    rest = (lines.pop() ?? "") + held;
    lines.forEach(take);
  };
}

/** Follows one conversation until stopped. */
export class Live {
  /**
   * @param {Api} api
   * @param {{onEvent: (event: ChatEvent) => void, onWriting: (open: boolean) => void,
   *          onPerson: (name: string) => void, onLink: (up: boolean) => void, onEnded: () => void}} handlers
   * @param {number} after last sequence number already shown
   */
  constructor(api, handlers, after = 0) {
    this.api = api;
    this.handlers = handlers;
    this.after = after;
    this.stopped = false;
    this.failures = 0;
    this.pollUntil = 0;
    this.lastByte = 0;
    /** @type {AbortController | null} */
    this.request = null;
    this.pause = new Pause();
  }

  async run() {
    while (!this.stopped) {
      const used = this.api.token;
      try {
        if (Date.now() < this.pollUntil) await this.pollOnce();
        else await this.streamOnce();
        this.failures = 0;
        await this.pause.wait(Math.random() * 500);
      } catch (error) {
        await this.recover(error, used);
      }
    }
  }

  stop() {
    this.stopped = true;
    this.wake();
    this.request?.abort();
  }

  /**
   * The page came back, or the network did: try at once, and drop a stream that has gone quiet.
   * @param {boolean} [fresh] drop the open stream in any case
   */
  wake(fresh = false) {
    this.pause.end();
    if (this.request && (fresh || Date.now() - this.lastByte > STALE_MS)) this.request.abort();
  }

  /**
   * @param {any} error
   * @param {string} used the token it was tried with
   */
  async recover(error, used) {
    if (this.stopped) return;
    this.handlers.onWriting(false);
    this.failures += 1;
    if (error?.status === 401) {
      const renewed = await this.api.renew(used);
      if (this.stopped) return;
      if (this.api.ended) return this.finish();
      if (renewed && this.failures === 1) return this.pause.wait(Math.random() * 500);
    }
    if (error?.final && [403, 404, 410].includes(error.status)) return this.finish();
    // No answer, again and again: something on the way may let no stream through, but short answers.
    if (this.failures > 2 && !error?.status) this.pollUntil = Date.now() + POLL_FOR_MS;
    if (this.failures > 1 || !navigator.onLine) this.handlers.onLink(false);
    await this.pause.wait(Math.max(backoff(this.failures - 1), error?.retryAfter ?? 0));
  }

  finish() {
    this.stopped = true;
    this.handlers.onEnded();
  }

  async streamOnce() {
    const request = (this.request = new AbortController());
    let silent = false;
    let heard = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let watchdog;
    const watch = (/** @type {number} */ ms) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        silent = true;
        request.abort();
      }, ms);
    };
    watch(FIRST_BYTE_MS);
    const started = (this.lastByte = Date.now());
    try {
      const response = await this.api.events(`after=${this.after}`, "text/event-stream", request.signal);
      if (!response.body || !(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
        this.pollUntil = Date.now() + POLL_FOR_MS;
        return;
      }
      const read = frameReader((frame) => this.frame(frame));
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        heard = true;
        this.lastByte = Date.now();
        this.handlers.onLink(true);
        watch(SILENT_MS);
        read(decoder.decode(value, { stream: true }));
      }
      if (Date.now() - started < SHORT_MS) throw new Error("stream ended at once");
    } catch (error) {
      // Proxies cut streams after a while: one that has worked begins anew without a growing pause.
      if (heard && Date.now() - started >= SHORT_MS) this.failures = 0;
      if (!silent) throw error;
      this.pollUntil = Date.now() + POLL_FOR_MS;
    } finally {
      clearTimeout(watchdog);
      request.abort();
      this.request = null;
      if (!this.stopped) this.handlers.onWriting(false);
    }
  }

  async pollOnce() {
    const request = (this.request = new AbortController());
    const watchdog = setTimeout(() => request.abort(), (POLL_WAIT_S + 15) * 1000);
    this.lastByte = Date.now();
    try {
      const query = `after=${this.after}&wait=${POLL_WAIT_S}`;
      const response = await this.api.events(query, "application/json", request.signal);
      const answer = await response.json();
      this.handlers.onLink(true);
      for (const event of answer.events) this.deliver(event);
    } finally {
      clearTimeout(watchdog);
      this.request = null;
    }
  }

  /** @param {{id: string, event: string, data: string}} frame */
  frame(frame) {
    let data;
    try {
      data = JSON.parse(frame.data);
    } catch {
      return; // one broken frame must not end the stream
    }
    if (frame.event === "status") this.handlers.onWriting(Boolean(data?.open));
    else if (frame.event === "typing") this.handlers.onPerson(String(data?.name ?? ""));
    else if (data?.body) this.deliver(data);
  }

  /** @param {ChatEvent} event */
  deliver(event) {
    if (typeof event.seq === "number") {
      if (event.seq <= this.after) return;
      this.after = event.seq;
    }
    this.handlers.onEvent(event);
  }
}
