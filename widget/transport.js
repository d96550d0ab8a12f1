// @ts-check
/** Sending: the session, the one place that talks to the server, and the outbox that never loses or doubles a message. */

import { backoff } from "./live.js";

/** @typedef {{title: string, payload: string}} Choice */
/** @typedef {{label: string, tel?: string, sms?: string, url?: string}} Call */
/**
 * @typedef {{kind: string, bubbles?: string[], buttons?: Choice[], calls?: Call[], lead?: string, text?: string,
 *   payload?: string, state?: string, at?: string, name?: string, role?: string, version?: string, review?: string,
 *   tier?: string, category?: string, answer_id?: string, fallback_text?: string, leave?: boolean, notes?: string[],
 *   picture?: {src: string, alt: string, caption: string}}} Body
 */
/**
 * @typedef {{seq: number | null, type?: string, at?: string, author: string, body: Body, client_id?: string}} ChatEvent
 */
/**
 * @typedef {{client_id: string, kind: "text" | "button" | "answer", text: string, payload?: string,
 *   reply_to?: number}} Message
 */
/**
 * @typedef {{session: string, conversation: string, expires_at?: string, clinic?: {id: string, name: string},
 *   consent: {version: string, bubbles: string[], accept: string}}} Session
 */
/** @typedef {{token: string, conversation: string, consent: string}} Saved */

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

/** The session of one browser tab. Storage may be forbidden (private mode, third-party frame): then memory has to do. */
export class Store {
  /** @param {string} clinic */
  constructor(clinic) {
    this.key = `pne:${clinic}`;
    /** @type {string | null} */
    this.memory = null;
    this.left = false;
  }

  /** @returns {Saved | null} */
  load() {
    let text = this.memory;
    try {
      text = sessionStorage.getItem(this.key) ?? text;
    } catch {
      // storage refused: keep what memory has
    }
    try {
      const saved = JSON.parse(text ?? "null");
      return saved && typeof saved.token === "string" ? saved : null;
    } catch {
      return null;
    }
  }

  /** @param {Saved} saved */
  save(saved) {
    if (this.left) return;
    this.memory = JSON.stringify(saved);
    try {
      sessionStorage.setItem(this.key, this.memory);
    } catch {
      // storage refused: memory has it
    }
  }

  /** The person leaves the page: nothing is kept any more, whatever an answer on its way may want to keep. */
  leave() {
    this.left = true;
    this.forget();
  }

  forget() {
    this.memory = null;
    try {
      sessionStorage.removeItem(this.key);
    } catch {
      // storage refused: nothing was kept
    }
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
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), SEND_TIMEOUT_MS);
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const options = { method: "POST", headers, body: JSON.stringify(content), signal: control.signal };
    return await (await request(path, options)).json();
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
  }
}

/** The server's side of one conversation. */
export class Api {
  /**
   * @param {string} clinic
   * @param {Store} store
   */
  constructor(clinic, store) {
    this.clinic = clinic;
    this.store = store;
    this.token = "";
    this.conversation = "";
    this.ended = false;
    /** @type {Promise<boolean> | null} */
    this.renewing = null;
  }

  /**
   * @param {string} [token] an earlier session, to go on with the same conversation
   * @returns {Promise<Session>}
   */
  async open(token) {
    const locale = document.documentElement.lang || undefined;
    const session = await post("/v1/session", { clinic: this.clinic, token, locale });
    this.token = session.session;
    this.conversation = session.conversation;
    return session;
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
    return post(`/v1/conversations/${encodeURIComponent(this.conversation)}/messages`, message, this.token);
  }

  /**
   * @param {string} query
   * @param {string} accept
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  events(query, accept, signal) {
    const headers = { Authorization: `Bearer ${this.token}`, Accept: accept };
    return request(`/v1/conversations/${encodeURIComponent(this.conversation)}/events?${query}`, { headers, signal });
  }
}

/** Sends in order, one at a time, again and again with the same client id until the server has it or refuses it. */
export class Outbox {
  /**
   * @param {Api} api
   * @param {{onSent: (message: Message, seq: number) => void, onDelay: (message: Message, problem: Problem) => void,
   *          onRefused: (message: Message, problem: Problem) => void, onTry: (message: Message) => void,
   *          onEnded: () => void}} handlers
   */
  constructor(api, handlers) {
    this.api = api;
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
