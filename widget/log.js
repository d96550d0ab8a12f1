// @ts-check
/** The visible transcript: order by sequence number, once each, optimistic bubbles, and scrolling that follows kindly. */

import { h } from "./dom.js";
import { closeChoices } from "./parts.js";
import { answeredQuestions, reform, renderEvent } from "./render.js";

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Message} Message */
/** @typedef {import("./render.js").Context} Context */

const NEAR_END = 60; // pixels that still count as "at the end"
const BURST_MS = 3000; // messages within this time are read as one

export class Transcript {
  /**
   * @param {HTMLElement} log scrolls and holds the articles
   * @param {HTMLElement} more the "New messages" button
   * @param {Context} context
   */
  constructor(log, more, context) {
    this.log = log;
    this.more = more;
    this.context = context;
    /** @type {Set<number>} */
    this.seen = new Set();
    /** @type {Set<string>} client ids of messages that the server is known to have */
    this.known = new Set();
    /** @type {Map<string, HTMLElement>} */
    this.pending = new Map();
    this.last = 0;
    this.follow = true;
    this.setTop = NaN; // where the page itself has scrolled to, until the reader scrolls
    /** @type {HTMLElement | null} first article of what is being read now */
    this.anchor = null;
    this.anchoredAt = 0;
    log.addEventListener("scroll", () => this.scrolled(), { passive: true });
    more.addEventListener("click", () => {
      this.toEnd();
      log.focus({ preventScroll: true }); // the button is gone now, and focus must not be lost with it
    });
  }

  /**
   * Show one event of the server.
   * @param {ChatEvent} event
   * @returns {boolean} true when it is news to the reader
   */
  add(event) {
    if (event.seq !== null && event.seq !== undefined) {
      if (this.seen.has(event.seq)) return false;
      this.seen.add(event.seq);
    }
    if (event.client_id) this.known.add(event.client_id);
    if (event.author === "patient" && event.body.payload?.startsWith("form:")) this.questionsAnswered(/** @type {any} */ (event.body));
    if (event.client_id && this.settle(event.client_id, event.seq)) return false;
    if (event.author === "patient") this.answered(event, true);
    const article = renderEvent(event, this.context);
    if (!article) return false;
    if (typeof event.seq === "number") {
      article.dataset.seq = String(event.seq);
      if (event.body.kind === "safety") {
        this.dropEarly(event.body.answer_id ?? "");
        this.closeQuestions(); // no answer came in time: silence was taken for a yes
      }
    }
    this.place(article);
    this.reveal(article);
    return true;
  }

  /**
   * Safety words can be shown before the server has stored them. Their stored twin takes their place.
   * @param {string} answer
   */
  dropEarly(answer) {
    for (const early of this.log.querySelectorAll(`.kind-safety:not([data-seq])[data-answer="${CSS.escape(answer)}"]`)) early.remove();
  }

  /** @returns {number} every event up to this number has been shown; events are numbered without gaps */
  upTo() {
    while (this.seen.has(this.last + 1)) this.last += 1;
    return this.last;
  }

  /**
   * The first notice is on the screen before the server's own copy of it comes: that is the same one.
   * @param {number} seq
   * @returns {boolean} whether there is such a notice
   */
  adopt(seq) {
    const own = this.log.querySelector(".kind-consent:not([data-seq])");
    if (!(own instanceof HTMLElement) || this.seen.has(seq)) return false;
    own.dataset.seq = own.dataset.order = String(seq);
    this.seen.add(seq);
    return true;
  }

  /**
   * Show a message that the server does not have yet.
   * @param {Message} message
   * @param {boolean} [restored] the choice that it made is still open: it was made before the page was loaded anew
   */
  addPending(message, restored = false) {
    const body = { kind: "text", bubbles: [message.text], payload: message.payload };
    /** @type {ChatEvent} */
    const event = { seq: null, author: "patient", at: new Date().toISOString(), body };
    this.answered(event, restored || message.kind === "text");
    this.questionsAnswered(message, "sending");
    const article = /** @type {HTMLElement} */ (renderEvent(event, this.context));
    article.append(h("div", { class: "delivery", tabindex: "-1" }));
    this.pending.set(message.client_id, article);
    this.place(article);
    this.follow = true;
    this.reveal(article);
  }

  /**
   * @param {string} clientId
   * @param {string} state class and wording key of the delivery line
   * @param {...Node} extra
   */
  delivery(clientId, state, ...extra) {
    const line = this.pending.get(clientId)?.querySelector(".delivery");
    if (!line || (line.getAttribute("data-state") === state && !extra.length)) return;
    const held = line.matches(":focus, :focus-within");
    line.setAttribute("data-state", state);
    line.replaceChildren(h("span", {}, this.context.t(state)), ...extra);
    // "Try again" goes away while it is tried, and the focus must not go with it.
    if (held) /** @type {HTMLElement} */ (line.querySelector("button") ?? line).focus({ preventScroll: true });
    if (this.follow) this.settleScroll();
  }

  /**
   * The server has the message: its bubble takes its place in the order.
   * @param {string} clientId
   * @param {number | null} seq
   * @returns {boolean} whether there was such a bubble
   */
  settle(clientId, seq) {
    const article = this.pending.get(clientId);
    if (!article) return false;
    this.delivery(clientId, "sent");
    this.pending.delete(clientId);
    for (const old of this.log.querySelectorAll(".delivery[data-state=sent]")) {
      if (article.contains(old)) continue;
      if (old.matches(":focus")) /** @type {HTMLElement | null} */ (article.querySelector(".delivery"))?.focus({ preventScroll: true });
      old.remove();
    }
    if (typeof seq !== "number") return true;
    this.seen.add(seq);
    article.dataset.seq = String(seq);
    // Something with a lower number came while this message waited: the order of the server counts.
    const others = /** @type {HTMLElement[]} */ ([...this.log.children]);
    const follows = (/** @type {HTMLElement} */ other) =>
      Boolean(article.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
    // What was written after it stays after it, and before what comes later.
    const waiting = [...this.pending.values()];
    for (const one of waiting) one.dataset.order = String(Math.max(Number(one.dataset.order), seq + 0.5));
    if (others.some((other) => Number(other.dataset.order) < seq && follows(other))) [article, ...waiting].forEach((one) => this.place(one));
    else article.dataset.order = String(seq);
    return true;
  }

  /**
   * Mark the choice that a patient's message made, also in history and in a second tab. A safety question counts as
   * answered by any later message, so that an old "no" cannot be pressed hours later.
   * @param {ChatEvent} event
   * @param {boolean} search look for the choice; not needed when the pressed button is known
   */
  answered(event, search) {
    const { t } = this.context;
    const groups = /** @type {HTMLElement[]} */ ([...this.log.querySelectorAll(".choices")].reverse());
    const wanted = [event.body.payload, event.body.text, event.body.bubbles?.[0]].filter(Boolean).map(String);
    const open = search && groups.find((group) =>
      [.../** @type {NodeListOf<HTMLElement>} */ (group.querySelectorAll(".choice:not([aria-disabled])"))].some(
        (button) => wanted.includes(button.dataset.payload ?? "") || wanted.includes(button.textContent ?? ""),
      ),
    );
    if (open) for (const value of wanted) closeChoices(open, value, t);
    this.closeQuestions();
  }

  /**
   * @param {{answers?: any, reply_to?: any}} message answers to questions that stand further up
   * @param {"sending" | "sent" | "refused"} [become]
   */
  questionsAnswered({ answers, reply_to: seq }, become = "sent") {
    const article = this.log.querySelector(`[data-seq="${Number(seq)}"]`);
    if (article && answers) answeredQuestions(/** @type {HTMLElement} */ (article), answers, become);
  }

  /** Another form of the answers was chosen: simple words, a flare's few, or all. */
  reform() {
    for (const article of this.log.children) reform(/** @type {HTMLElement} */ (article), this.context);
    if (this.follow) this.settleScroll();
  }

  /**
   * The words of one message were erased.
   * @param {number} seq
   * @param {string} words what stands in their place
   */
  erase(seq, words) {
    const article = this.log.querySelector(`[data-seq="${seq}"]`);
    article?.querySelector(".bubble")?.replaceChildren(h("p", {}, words));
  }

  closeQuestions() {
    for (const group of /** @type {NodeListOf<HTMLElement>} */ (this.log.querySelectorAll(".kind-question .choices"))) {
      closeChoices(group, "", this.context.t);
    }
  }

  /**
   * Put an article where its number belongs. Articles without one (not on the server yet, or said by the page itself)
   * go after all that is there, and later numbers go after them.
   * @param {HTMLElement} article
   */
  place(article) {
    const order = Number(article.dataset.seq ?? Math.max(0, ...this.seen) + 0.5);
    article.dataset.order = String(order);
    const others = /** @type {HTMLElement[]} */ ([...this.log.children].filter((other) => other !== article));
    const before = others.reverse().find((other) => Number(other.dataset.order) <= order);
    const held = /** @type {HTMLElement | null} */ (article.querySelector(":focus"));
    if (before) before.after(article);
    else this.log.prepend(article);
    held?.focus({ preventScroll: true }); // what is moved loses it
    for (const node of [article, article.nextElementSibling]) if (node) this.join(/** @type {HTMLElement} */ (node));
  }

  /**
   * The name above a message is shown once for a run of messages by one author; screen readers keep it on each.
   * @param {HTMLElement} article
   */
  join(article) {
    const words = (/** @type {Element | null} */ node) => node?.querySelector(".meta")?.textContent ?? "";
    const previous = article.previousElementSibling;
    const plain = previous?.classList[1] === article.classList[1] && !previous.querySelector(".card");
    article.classList.toggle("run", plain && words(previous) === words(article) && !article.querySelector(".card"));
  }

  /** @param {HTMLElement} article */
  reveal(article) {
    const now = Date.now();
    if (!this.follow) return this.more.removeAttribute("hidden");
    if (article.matches(".patient")) {
      this.anchor = null;
      return this.settleScroll();
    }
    const opener = article.matches(".kind-safety, .kind-question");
    if (!this.anchor || opener || now - this.anchoredAt > BURST_MS) {
      // What is on screen may not be read to its end yet: then the page waits to be asked.
      if (this.anchor && !opener && this.hiddenBelow(article.offsetHeight) > NEAR_END) {
        return this.more.removeAttribute("hidden");
      }
      this.anchor = article;
      this.anchoredAt = now;
    }
    this.settleScroll();
  }

  /**
   * @param {number} [newHeight] height at the end that does not count
   * @returns {number} pixels below the visible part
   */
  hiddenBelow(newHeight = 0) {
    return this.log.scrollHeight - newHeight - this.log.scrollTop - this.log.clientHeight;
  }

  /** As far down as possible, but never past the start of what is being read. */
  settleScroll() {
    const end = this.log.scrollHeight - this.log.clientHeight;
    const top = this.anchor ? this.anchor.offsetTop - 12 : end;
    this.setTop = Math.max(0, Math.min(end, top));
    this.log.scrollTop = this.setTop;
  }

  toEnd() {
    this.follow = true;
    this.anchor = null;
    this.settleScroll();
    this.more.setAttribute("hidden", "");
  }

  scrolled() {
    const atEnd = this.hiddenBelow() <= NEAR_END;
    if (atEnd) this.more.setAttribute("hidden", "");
    if (Math.abs(this.log.scrollTop - this.setTop) < 3) return;
    this.setTop = NaN;
    this.follow = atEnd;
    if (atEnd) this.anchor = null;
  }

  /** The size of the page changed, as when a keyboard opens. */
  resized() {
    if (this.follow) this.settleScroll();
  }
}
