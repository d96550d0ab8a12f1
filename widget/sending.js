// @ts-check
/** What the person sends: written, pressed, filled in. Shown at once as waiting, and as sent when the server has it. */

import { h, uuid } from "./dom.js";
import { leadsOn } from "./forms.js";
import { closeChoices, reopenChoices } from "./parts.js";
import { Outbox } from "./transport.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("./transport.js").Answers} Answers */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").Message} Message */
/** @typedef {import("./transport.js").Problem} Problem */

export const ACCEPT = "consent:accept";
const PERSON = "person:ask";
const END = "chat:end";
const FORM = "form:";
const PRESS_PAUSE_MS = 3000; // a shaking hand presses twice

export class Sending {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
    /** @type {Map<string, HTMLElement>} groups closed by a message that is still on its way */
    this.groups = new Map();
    /** @type {Set<string>} messages that could not be sent when they should have been */
    this.late = new Set();
    /** @type {Record<string, number>} when a button that is always there was pressed last */
    this.pressedAt = {};
    this.outbox = new Outbox(chat.api, (message, waits) => chat.store.queue(message, waits), {
      onTry: (message) => chat.log.delivery(message.client_id, "sending"),
      onSent: (message, seq) => this.sent(message, seq),
      onDelay: (message, problem) => this.delayed(message, problem),
      onRefused: (message, problem) => this.refused(message, problem),
      onEnded: () => chat.end(),
    });
  }

  /** The notice was accepted before: go on, with what was written and not sent before the page was closed. */
  resume() {
    this.chat.composer.lock(false);
    for (const message of this.chat.store.load()?.queue ?? []) {
      if (this.chat.log.known.has(message.client_id)) this.chat.store.queue(message, false);
      else this.enqueue(message, true);
    }
  }

  /**
   * Show a message as one that waits, and send it in its turn.
   * @param {Message} message
   * @param {boolean} [restored] written before the page was loaded anew
   */
  enqueue(message, restored = false) {
    this.chat.log.addPending(message, restored);
    // Behind one that cannot be sent yet, this one waits too; it must not look as if it were sent.
    const late = this.late.size > 0;
    if (late) this.late.add(message.client_id);
    this.chat.log.delivery(message.client_id, late ? "not_sent" : "sending");
    this.outbox.add(message);
  }

  /** @param {Omit<Message, "client_id">} content */
  send(content) {
    const message = { ...content, client_id: uuid() };
    this.chat.idle.active();
    this.enqueue(message);
    return message;
  }

  /**
   * @param {Choice} choice
   * @param {HTMLElement} group
   * @param {ChatEvent} event
   */
  choose(choice, group, event) {
    if (this.chat.over || (this.chat.consent && choice.payload !== ACCEPT)) return;
    closeChoices(group, choice.payload, this.chat.t);
    const reply = typeof event.seq === "number" ? { reply_to: event.seq } : {};
    const message = this.send({ kind: "button", text: choice.title, payload: choice.payload, ...reply });
    this.groups.set(message.client_id, group);
    this.chat.composer.focusQuietly();
  }

  /**
   * @param {ChatEvent} event
   * @param {Answers} answers
   */
  answer(event, answers) {
    const { items = [], form, title } = event.body;
    const given = items.filter(({ id }) => ![null, "", "off"].includes(/** @type {any} */ (answers[id])));
    // A chip that is on says itself what is meant.
    const said = (/** @type {import("./transport.js").Item} */ { id, choices }) =>
      answers[id] === "on" ? "" : choices?.find(({ value }) => value === answers[id])?.title ?? answers[id];
    const text = given.map((item) => `${item.text} ${said(item)}`.trim()).join("\n");
    this.send({ kind: "answer", text: text || title || this.chat.t("questions_skipped"), payload: `${FORM}${form}`, reply_to: Number(event.seq), answers });
    if (leadsOn(event.body)) this.chat.composer.focusQuietly();
  }

  /**
   * @param {ChatEvent} event
   * @param {{at: number, answers: Answers} | null} draft
   */
  keepDraft(event, draft) {
    const drafts = { ...this.chat.store.load()?.drafts };
    if (draft) drafts[String(event.seq)] = draft;
    else delete drafts[String(event.seq)];
    this.chat.store.change({ drafts });
  }

  /**
   * @param {ChatEvent} event
   * @param {"up" | "down"} value
   * @param {string} [code]
   * @returns {Promise<boolean>}
   */
  async rate(event, value, code) {
    try {
      await this.chat.api.about("POST", "feedback", { seq: event.seq, value, ...(code ? { code } : {}) });
      return true;
    } catch {
      this.chat.say(this.chat.t("data_failed"));
      return false;
    }
  }

  endChat() {
    if (this.chat.accepted) this.send({ kind: "button", text: this.chat.t("end_button"), payload: END });
  }

  /**
   * A button that is always there: it asks for a person, or for help in a flare-up.
   * @param {HTMLElement} button
   * @param {string} [payload]
   * @param {boolean} [goes] the focus goes to where the answer comes
   */
  ask(button, payload = PERSON, goes = false) {
    if (this.chat.over) return this.chat.again?.focus();
    if (this.chat.consent || this.chat.activity.state.loading) {
      this.chat.notice("person_needs_consent");
      const accept = this.chat.parts.log.querySelector(`.kind-consent .choice:not([aria-disabled])`);
      if (accept instanceof HTMLElement) accept.focus();
      return;
    }
    if (Date.now() - this.pressedAt[payload] < PRESS_PAUSE_MS) return;
    this.pressedAt[payload] = Date.now();
    this.send({ kind: "button", text: (button.textContent ?? "").trim(), payload });
    if (goes) this.chat.composer.focusQuietly();
  }

  /**
   * @param {Message} message
   * @param {number} seq
   */
  sent(message, seq) {
    this.chat.log.settle(message.client_id, seq);
    this.groups.delete(message.client_id);
    this.chat.log.questionsAnswered(message);
    if (this.late.delete(message.client_id) && !this.late.size) this.chat.say(this.chat.t("sent")); // all that were late
    if (message.payload !== ACCEPT || !this.chat.consent) return;
    this.agreed(this.chat.consent.version);
    if (this.chat.form() !== "full") this.chat.setForm(this.chat.form());
    this.chat.composer.focusQuietly();
  }

  /**
   * The server has this person's acceptance: given here, in another tab, or on another device.
   * @param {string} [version]
   */
  agreed(version = this.chat.noticed) {
    if (this.chat.over || version !== this.chat.terms?.version || (!this.chat.consent && this.chat.store.load()?.consent === version)) return;
    const { token, conversation } = this.chat.api;
    this.chat.store.save({ token, conversation, consent: version, queue: this.outbox.queue });
    this.chat.consent = null;
    this.chat.composer.lock(false);
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   */
  delayed(message, problem) {
    const retry = h("button", { type: "button", class: "retry", onclick: () => this.outbox.flush() }, this.chat.t("retry_button"));
    if (!this.late.size) this.chat.alarm(this.chat.t("not_sent_spoken")); // once, however many wait
    for (const { client_id: id } of this.outbox.queue) {
      this.late.add(id);
      this.chat.log.delivery(id, "not_sent", ...(id === message.client_id ? [retry] : []));
    }
    problem.events.forEach((event) => this.chat.showProblem(message.client_id, event));
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   */
  refused(message, problem) {
    this.late.delete(message.client_id);
    const reason = this.chat.t(`problem_${problem.code}`);
    this.chat.log.delivery(message.client_id, "refused", h("span", {}, reason));
    this.chat.log.questionsAnswered(message, "refused");
    this.chat.alarm(`${this.chat.t("refused_spoken")} ${reason}`.trim());
    const group = this.groups.get(message.client_id);
    if (group) reopenChoices(group);
    this.groups.delete(message.client_id);
    problem.events.forEach((event) => this.chat.showProblem(message.client_id, event));
    if (problem.code === "consent_needed" && this.chat.terms && !this.chat.consent) this.chat.askConsent(this.chat.terms);
  }
}
