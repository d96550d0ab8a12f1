// @ts-check
/** Sending: the one place that talks to the server, and the outbox that never loses or doubles a message. */

import { backoff } from "./live.js";

/** @typedef {{title: string, payload: string}} Choice */
/** @typedef {{label: string, tel?: string, sms?: string, url?: string}} Call */
/** @typedef {{src: string, alt: string, caption?: string, long?: string, width?: number, height?: number}} Picture */
/** @typedef {{value: string | number, title: string}} Option */
/**
 * @typedef {{id: string, text: string, kind: "scale" | "choice" | "text", low?: string, high?: string, min?: number,
 *   max?: number, choices?: Option[]}} Item
 */
/**
 * What an event holds, by kind; `widget/events.schema.json` says which kind has what.
 * @typedef {{kind: string, bubbles?: string[], buttons?: Choice[], calls?: Call[], lead?: string, text?: string,
 *   payload?: string, state?: string, at?: string, name?: string, role?: string, version?: string, review?: string,
 *   tier?: string, category?: string, answer_id?: string, fallback_text?: string, leave?: boolean, notes?: string[],
 *   picture?: Picture, form?: string, forms?: Record<string, string[]>, title?: string, items?: Item[], cards?: Body[],
 *   step?: number, of?: number, erased?: boolean, sections?: {title: string, bubbles: string[]}[]}} Body
 */
/**
 * @typedef {{seq: number | null, type?: string, at?: string, author: string, body: Body, client_id?: string}} ChatEvent
 */
/** @typedef {Record<string, string | number | null>} Answers */
/**
 * @typedef {{client_id: string, kind: "text" | "button" | "answer", text: string, payload?: string,
 *   reply_to?: number, answers?: Answers}} Message
 */
/**
 * @typedef {{session: string, conversation: string, expires_at?: string, level?: string, slides?: number | null,
 *   reading?: string, retention_days?: number,
 *   consent: {version: string, bubbles: string[], accept: string}}} Session
 */

const SEND_TIMEOUT_MS = 20000;

/** What went wrong, as the server's problem document tells it; `status` 0 means that no answer came. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, title?: string, detail?: string, events?: ChatEvent[]}} [document]
   * @param {number} [retryAfter] milliseconds
   */
  constructor(status, document = {}, retryAfter = 0) {
    super(document.code ?? `status ${status}`);
    this.status = status;
    this.code = document.code ?? "";
    this.detail = document.detail ?? document.title ?? "";
    this.events = document.events ?? [];
    this.retryAfter = retryAfter;
  }

  /** @returns {boolean} true where the same request may work later */
  get passing() {
    return this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status);
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 * @throws {Problem} for every answer outside 200-299 and when no answer came
 */
async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...options });
  } catch {
    throw new Problem(0);
  }
  if (response.ok) return response;
  let document = {};
  try {
    document = await response.json();
  } catch {
    // a proxy's own error page: the status has to do
  }
  throw new Problem(response.status, document ?? {}, 1000 * Number(response.headers.get("retry-after") ?? 0) || 0);
}

/**
 * @param {string} path
 * @param {unknown} content
 * @param {string} [token]
 * @returns {Promise<any>}
 */
async function post(path, content, token) {
  const response = await call("POST", path, token, content);
  try {
    return await response.json();
  } catch {
    throw new Problem(0);
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} [token]
 * @param {unknown} [content]
 * @returns {Promise<Response>}
 */
async function call(method, path, token, content) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), SEND_TIMEOUT_MS);
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const body = content === undefined ? undefined : JSON.stringify(content);
    return await request(path, { method, headers, body, signal: control.signal });
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
  }
}

/** The server's side of one conversation. */
export class Api {
  /**
   * @param {string} home the server's origin
   * @param {string} clinic
   * @param {string} locale
   * @param {import("./store.js").Store} store
   * @param {() => Promise<string | null>} identity a token that the clinic has signed, where there is one
   */
  constructor(home, clinic, locale, store, identity) {
    this.home = home;
    this.clinic = clinic;
    this.locale = locale;
    this.store = store;
    this.identity = identity;
    this.token = "";
    this.conversation = "";
    this.signed = false;
    this.ended = false;
    /** @type {Promise<boolean> | null} */
    this.renewing = null;
  }

  /**
   * @param {string} [token] an earlier session, to go on with the same conversation
   * @returns {Promise<Session>}
   */
  async open(token) {
    const identity = (await this.identity()) ?? undefined;
    const asked = { clinic: this.clinic, token, identity, locale: this.locale };
    const session = await post(`${this.home}/v1/session`, asked);
    this.token = session.session;
    this.conversation = session.conversation;
    this.signed = session.level === "signed";
    return session;
  }

  /** End this session on the server; whether it hears is not waited for long. */
  async logout() {
    this.ended = true;
    try {
      await call("DELETE", `${this.home}/v1/session`, this.token);
    } catch {
      // no answer: the session runs out by itself
    }
  }

  /**
   * Ask for a fresh token for the same conversation. Several callers share one request.
   * @returns {Promise<boolean>} false when it did not work; `ended` says whether for good
   */
  renew() {
    this.renewing ??= this.renewOnce().finally(() => (this.renewing = null));
    return this.renewing;
  }

  async renewOnce() {
    const conversation = this.conversation;
    try {
      const session = await this.open(this.token);
      if (session.conversation !== conversation) this.ended = true;
      const saved = this.store.load();
      if (saved && !this.ended) this.store.save({ ...saved, token: session.session });
    } catch (error) {
      if (!(error instanceof Problem) || error.passing) return false;
      this.ended = true;
    }
    return !this.ended;
  }

  /**
   * @param {Message} message
   * @returns {Promise<{seq: number}>}
   */
  send(message) {
    return post(this.path("messages"), message, this.token);
  }

  /**
   * @param {string} query
   * @param {string} accept
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  events(query, accept, signal) {
    const headers = { Authorization: `Bearer ${this.token}`, Accept: accept };
    return request(`${this.path("events")}?${query}`, { headers, signal });
  }

  /**
   * Anything else about the conversation: settings, feedback, the person's own data.
   * @param {string} method
   * @param {string} what path below the conversation
   * @param {unknown} [content]
   * @returns {Promise<Response>}
   * @throws {Problem}
   */
  async about(method, what, content) {
    try {
      return await call(method, this.path(what), this.token, content);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401 || !(await this.renew())) throw error;
      return call(method, this.path(what), this.token, content);
    }
  }

  /** @param {string} what */
  path(what) {
    return `${this.home}/v1/conversations/${encodeURIComponent(this.conversation)}/${what}`;
  }
}

/** Sends in order, one at a time, again and again with the same client id until the server has it or refuses it. */
export class Outbox {
  /**
   * @param {Api} api
   * @param {(queue: Message[]) => void} keep called with what is not sent yet, whenever that changes
   * @param {{onSent: (message: Message, seq: number) => void, onDelay: (message: Message, problem: Problem) => void,
   *          onRefused: (message: Message, problem: Problem) => void, onTry: (message: Message) => void,
   *          onEnded: () => void}} handlers
   */
  constructor(api, keep, handlers) {
    this.api = api;
    this.keep = keep;
    this.handlers = handlers;
    /** @type {Message[]} */
    this.queue = [];
    this.busy = false;
    this.failures = 0;
    this.renewed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Message} message */
  add(message) {
    this.queue.push(message);
    this.keep(this.queue);
    if (this.queue.length === 1) this.flush();
  }

  /** Try now: a retry button, or the network is back. */
  flush() {
    clearTimeout(this.timer);
    if (!this.busy) this.drain();
  }

  /**
   * The server has the message: it said so itself, or the stream showed it before the answer came.
   * @param {string} clientId
   * @param {number} seq
   */
  confirm(clientId, seq) {
    const message = this.queue.find((waiting) => waiting.client_id === clientId);
    if (!message) return;
    this.failures = 0;
    this.renewed = false;
    this.remove(message);
    this.handlers.onSent(message, seq);
  }

  /** Nothing more is sent. */
  stop() {
    clearTimeout(this.timer);
    this.queue = [];
  }

  /** @param {Message} message */
  remove(message) {
    this.queue = this.queue.filter((waiting) => waiting !== message);
    this.keep(this.queue);
  }

  async drain() {
    this.busy = true;
    while (this.queue.length && !this.api.ended) {
      const message = this.queue[0];
      this.handlers.onTry(message);
      try {
        const { seq } = await this.api.send(message);
        this.confirm(message.client_id, seq);
      } catch (error) {
        if (!(await this.failed(message, /** @type {Problem} */ (error)))) break;
      }
    }
    this.busy = false;
    if (this.api.ended) this.handlers.onEnded();
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   * @returns {Promise<boolean>} true to go on with the queue at once
   */
  async failed(message, problem) {
    const expired = problem.status === 401;
    if (expired && !this.renewed && (this.renewed = await this.api.renew())) return true;
    if (!this.queue.includes(message)) return true;
    if (expired || problem.passing) {
      this.handlers.onDelay(message, problem);
      this.timer = setTimeout(() => this.flush(), Math.max(backoff(this.failures++), problem.retryAfter));
      return false;
    }
    this.remove(message);
    this.handlers.onRefused(message, problem);
    return true;
  }
}
