// @ts-check
/** The chat: ties the session, the sending, the receiving and what is on the screen together. */

import { Aloud } from "./aloud.js";
import { Composer } from "./composer.js";
import { announcer, h, Pause, plainButton, uuid } from "./dom.js";
import { Idle } from "./idle.js";
import { backoff, Live } from "./live.js";
import { Transcript } from "./log.js";
import { openMenu } from "./menu.js";
import { Activity, fitViewport, urgentPanel } from "./page.js";
import { closeChoices, reopenChoices } from "./parts.js";
import { authorName } from "./render.js";
import { spoken } from "./rich.js";
import { Tabs } from "./tabs.js";
import { Api, Outbox, Problem } from "./transport.js";

/** @typedef {import("./transport.js").Answers} Answers */
/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").Message} Message */
/** @typedef {import("./transport.js").Session} Session */
/**
 * @typedef {{root: ShadowRoot, parts: import("./shell.js").Parts, t: import("./shell.js").Words,
 *   strings: Record<string, string>, start: import("./element.js").Start, store: import("./store.js").Store,
 *   looks: import("./looks.js").Looks, host: import("./host.js").Host, home: string}} About
 */

const ACCEPT = "consent:accept";
const PERSON = "person:ask";
const END = "chat:end";
const FORM = "form:";
const PERSON_PAUSE_MS = 3000; // a shaking hand presses twice

export class Chat {
  /** @param {About} about */
  constructor({ root, parts, t, strings, start, store, looks, host, home }) {
    this.root = root;
    this.parts = parts;
    this.t = t;
    this.strings = strings;
    this.locale = strings.lang.split("-")[0];
    this.start = start;
    this.store = store;
    this.looks = looks;
    this.host = host;
    this.say = announcer(parts.polite);
    this.alarm = announcer(parts.assertive);
    this.activity = new Activity(parts.activity, t);
    this.aloud = new Aloud(store);
    this.api = new Api(home, start.clinic.id, this.locale, store, () => host.token());
    this.retentionDays = 0;
    /** @type {Session["consent"] | null} consent that still has to be given */
    this.consent = null;
    /** @type {Session["consent"] | null} */
    this.terms = null;
    /** @type {Map<string, HTMLElement>} groups closed by a message that is still on its way */
    this.groups = new Map();
    /** @type {Set<string>} */
    this.shownProblems = new Set();
    /** @type {Set<string>} */
    this.late = new Set();
    this.pause = new Pause();
    this.resumed = false;
    this.over = false;
    this.unread = 0;
    this.personAt = 0;
    this.title = document.title;
    this.log = new Transcript(parts.log, parts.more, {
      t, home,
      exit: start.clinic.exit_url ?? "about:blank",
      locale: strings.lang,
      form: () => this.form(),
      aloud: () => this.aloud.on,
      read: (_article, event) => this.aloud.say(spoken(event.body, this.form())),
      choose: (...choice) => this.choose(...choice),
      answer: (event, answers) => this.answer(event, answers),
      draft: (event) => this.store.load()?.drafts?.[String(event.seq)],
      keepDraft: (event, draft) => this.keepDraft(event, draft),
      rate: (event, value, code) => this.rate(event, value, code),
    });
    this.composer = new Composer(parts, { t, say: this.say, onSend: (text) => this.send({ kind: "text", text }) });
    this.outbox = new Outbox(this.api, (queue) => this.store.change({ queue }), {
      onTry: (message) => this.log.delivery(message.client_id, "sending"),
      onSent: (message, seq) => this.sent(message, seq),
      onDelay: (message, problem) => this.delayed(message, problem),
      onRefused: (message, problem) => this.refused(message, problem),
      onEnded: () => this.end(),
    });
    /** @type {Live | null} */
    this.live = null;
    /** @type {Tabs | null} */
    this.tabs = null;
    this.idle = new Idle(this);
    this.listeners = new AbortController();
  }

  /** @returns {boolean} whether the first notice has been accepted */
  get accepted() {
    return Boolean(this.terms && !this.consent && !this.over);
  }

  async run() {
    const { parts, listeners } = this;
    const once = { signal: listeners.signal };
    parts.person.disabled = false;
    parts.person.addEventListener("click", () => this.askForPerson(parts.person));
    parts.menu.addEventListener("click", () => openMenu(this));
    parts.close?.addEventListener("click", () => this.host.tell("close"));
    urgentPanel(parts.urgent, once);
    fitViewport(parts.app, () => this.log.resized(), once);
    window.addEventListener("online", () => this.wake(true), once);
    window.addEventListener("offline", () => this.link(false), once);
    document.addEventListener("visibilitychange", () => document.hidden || this.wake(), once);
    window.addEventListener("pne:leave", () => this.leave(), once);
    window.addEventListener("pne:shift", (event) => this.shift(/** @type {CustomEvent} */ (event).detail), once);
    this.host.onCommand = (type, data) => this.command(type, data);
    this.composer.lock(true);
    this.activity.show();
    const session = await this.open();
    if (!session || this.over) return;
    this.terms = session.consent;
    this.retentionDays = session.retention_days ?? 0;
    if (session.reading && session.reading !== "full") this.looks.set({ form: session.reading });
    if (this.resumed) await this.history();
    if (this.store.load()?.consent === session.consent.version) this.resume();
    else this.askConsent(session.consent);
    this.activity.show({ loading: false });
    this.idle.start(this.api.signed ? session.slides ?? 0 : 0);
    this.follow();
    this.host.tell("ready");
  }

  /** @returns {Promise<Session | null>} null when the server will never open this chat */
  async open() {
    for (let failures = 0; ; failures += 1) {
      const saved = this.store.load();
      try {
        const session = await this.api.open(saved?.token);
        this.resumed = saved !== null && saved.conversation === session.conversation;
        if (this.resumed && saved) this.store.save({ ...saved, token: session.session });
        else this.store.forget();
        return session;
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem(0);
        problem.events.forEach((event) => this.showProblem("session", event));
        if (!problem.passing && saved) {
          this.store.forget();
          continue;
        }
        const known = this.t(`problem_${problem.code}`);
        this.notice(known ? `problem_${problem.code}` : problem.passing ? "cannot_open" : "cannot_open_final");
        if (!problem.passing) {
          this.activity.show({ loading: false });
          this.host.tell("error", { code: problem.code });
          return null;
        }
        await this.pause.wait(Math.max(backoff(failures), problem.retryAfter));
        if (this.over) return null;
      }
    }
  }

  /** What was said before a reload, shown without reading it all out again. */
  async history() {
    try {
      let last = 0;
      for (;;) {
        const { events = [] } = await (await this.api.events(`after=${last}&wait=0`, "application/json")).json();
        for (const event of events) this.receive(event, true);
        const next = Math.max(last, ...events.map((/** @type {ChatEvent} */ { seq }) => seq ?? 0));
        if (next === last) break;
        last = next;
      }
      this.log.toEnd();
    } catch {
      // the stream asks again from the first message
    }
  }

  /** The notice was accepted before: go on, with what was written and not sent before the page was closed. */
  resume() {
    const waiting = (this.store.load()?.queue ?? []).filter(({ client_id }) => !this.log.known.has(client_id));
    this.composer.lock(false);
    for (const message of waiting) {
      this.log.addPending(message);
      this.outbox.add(message);
    }
    if (!waiting.length) this.store.change({ queue: [] });
  }

  follow() {
    const tabs = new Tabs(this.api.conversation, {
      onEvent: (event) => this.receive(event),
      onWriting: (open) => this.activity.show({ writing: open }),
      onLead: () => this.stream(),
      onFollow: () => this.live?.stop(),
    });
    this.tabs = tabs;
    tabs.start();
  }

  stream() {
    this.live = new Live(
      this.api,
      {
        onEvent: (event) => {
          this.tabs?.pass({ event });
          this.receive(event);
        },
        onWriting: (open) => {
          this.tabs?.pass({ writing: open });
          this.activity.show({ writing: open });
        },
        onLink: (up) => this.link(up),
        onEnded: () => this.end(),
      },
      Math.max(0, ...this.log.seen),
    );
    this.live.run();
  }

  /** @param {Session["consent"]} consent */
  askConsent(consent) {
    this.consent = consent;
    this.composer.lock(true);
    const buttons = [{ title: consent.accept, payload: ACCEPT }];
    const body = { kind: "consent", bubbles: consent.bubbles, buttons, version: consent.version };
    this.receive({ seq: null, author: "system", at: new Date().toISOString(), body });
  }

  /**
   * @param {ChatEvent} event
   * @param {boolean} [quiet]
   */
  receive(event, quiet = false) {
    const { body } = event;
    if (!body) return;
    if (body.kind === "consent" && event.seq !== null && this.consent?.version === body.version) {
      this.log.seen.add(event.seq); // the same notice, already on the screen
      return;
    }
    if (body.kind === "handoff") this.state(body.state ?? "");
    if (event.client_id && event.seq !== null) this.outbox.confirm(event.client_id, event.seq);
    if (!this.log.add(event) || quiet || event.author === "patient") return;
    const words = `${authorName(event, this.t)}: ${spoken(body, this.form())}`;
    if (body.kind === "safety") this.alarm(words);
    else this.say(words);
    if (this.aloud.on) this.aloud.say(spoken(body, this.form()));
    if (!document.hidden) return;
    document.title = `(${(this.unread += 1)}) ${this.title}`;
    this.host.tell("unread", { count: this.unread });
  }

  /** @param {Omit<Message, "client_id">} content */
  send(content) {
    const message = { ...content, client_id: uuid() };
    this.idle.active();
    this.log.addPending(message);
    this.outbox.add(message);
    return message;
  }

  /**
   * @param {Choice} choice
   * @param {HTMLElement} group
   * @param {ChatEvent} event
   */
  choose(choice, group, event) {
    if (this.over || (this.consent && choice.payload !== ACCEPT)) return;
    closeChoices(group, choice.payload, this.t);
    const reply = typeof event.seq === "number" ? { reply_to: event.seq } : {};
    const message = this.send({ kind: "button", text: choice.title, payload: choice.payload, ...reply });
    this.groups.set(message.client_id, group);
    this.composer.focusQuietly();
  }

  /**
   * @param {ChatEvent} event
   * @param {Answers} answers
   */
  answer(event, answers) {
    const { items = [], form, title } = event.body;
    const given = items.filter(({ id }) => answers[id] !== null && answers[id] !== "");
    const text = given.map((item) => `${item.text} ${item.choices?.find(({ value }) => value === answers[item.id])?.title ?? answers[item.id]}`).join("\n");
    this.send({ kind: "answer", text: text || title || this.t("questions_skipped"), payload: `${FORM}${form}`, reply_to: Number(event.seq), answers });
  }

  /**
   * @param {ChatEvent} event
   * @param {{at: number, answers: Answers} | null} draft
   */
  keepDraft(event, draft) {
    const drafts = { ...this.store.load()?.drafts };
    if (draft) drafts[String(event.seq)] = draft;
    else delete drafts[String(event.seq)];
    this.store.change({ drafts });
  }

  /**
   * @param {ChatEvent} event
   * @param {"up" | "down"} value
   * @param {string} [code]
   * @returns {Promise<boolean>}
   */
  async rate(event, value, code) {
    try {
      await this.api.about("POST", "feedback", { seq: event.seq, value, ...(code ? { code } : {}) });
      return true;
    } catch {
      this.say(this.t("data_failed"));
      return false;
    }
  }

  /** @returns {string} how answers are read: full, plain or flare */
  form() {
    return this.store.preference("form") ?? "full";
  }

  /**
   * @param {string} form
   * @returns {Promise<boolean>} whether the server has noted it too
   */
  async setForm(form) {
    this.looks.set({ form });
    this.log.reform();
    if (!this.accepted) return true;
    try {
      await this.api.about("PATCH", "settings", { reading: form });
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} locale */
  setLocale(locale) {
    if (locale === this.locale || !(locale in this.start.languages)) return;
    this.store.prefer({ locale });
    this.host.reopen(locale);
  }

  endChat() {
    if (this.accepted) this.send({ kind: "button", text: this.t("end_button"), payload: END });
  }

  /** @param {HTMLElement} button */
  askForPerson(button) {
    if (this.over) return;
    if (this.consent || this.activity.state.loading) {
      this.notice("person_needs_consent");
      const accept = this.parts.log.querySelector(`.kind-consent .choice:not([aria-disabled])`);
      if (accept instanceof HTMLElement) accept.focus();
      return;
    }
    if (Date.now() - this.personAt < PERSON_PAUSE_MS) return;
    this.personAt = Date.now();
    this.send({ kind: "button", text: (button.textContent ?? "").trim(), payload: PERSON });
  }

  /**
   * @param {Message} message
   * @param {number} seq
   */
  sent(message, seq) {
    this.log.settle(message.client_id, seq);
    this.groups.delete(message.client_id);
    if (this.late.delete(message.client_id)) this.say(this.t("sent"));
    if (message.payload !== ACCEPT || !this.consent) return;
    const { token, conversation } = this.api;
    this.store.save({ token, conversation, consent: this.consent.version, queue: this.outbox.queue });
    this.consent = null;
    if (this.form() !== "full") this.setForm(this.form());
    this.composer.lock(false);
    this.composer.focusQuietly();
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   */
  delayed(message, problem) {
    const retry = h("button", { type: "button", class: "retry", onclick: () => this.outbox.flush() }, this.t("retry_button"));
    this.log.delivery(message.client_id, "not_sent", retry);
    if (!this.late.has(message.client_id)) this.alarm(this.t("not_sent_spoken"));
    this.late.add(message.client_id);
    problem.events.forEach((event) => this.showProblem(message.client_id, event));
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   */
  refused(message, problem) {
    const reason = this.t(`problem_${problem.code}`);
    this.log.delivery(message.client_id, "refused", h("span", {}, reason));
    this.alarm(`${this.t("refused_spoken")} ${reason}`.trim());
    const group = this.groups.get(message.client_id);
    if (group) reopenChoices(group);
    this.groups.delete(message.client_id);
    problem.events.forEach((event) => this.showProblem(message.client_id, event));
    if (problem.code === "consent_needed" && this.terms && !this.consent) this.askConsent(this.terms);
  }

  /**
   * Words that came with an error (safety words while the database is down) are shown at once, and once.
   * @param {string} source
   * @param {ChatEvent} event
   */
  showProblem(source, event) {
    const key = `${source} ${JSON.stringify(event.body)}`;
    if (this.shownProblems.has(key)) return;
    this.shownProblems.add(key);
    this.receive({ ...event, at: event.at ?? new Date().toISOString() });
  }

  /** @param {string} key a notice of the page itself, from the interface wording; shown once */
  notice(key) {
    const body = { kind: "notice", bubbles: [this.t(key)] };
    this.showProblem("page", { seq: null, author: "system", body });
  }

  /** @param {string} state who answers now */
  state(state) {
    const { status } = this.parts;
    status.textContent = this.t(["waiting", "human"].includes(state) ? `status_${state}` : "status_bot");
    status.dataset.state = state;
    this.host.tell("handoff", { state });
  }

  /** @param {boolean} up */
  link(up) {
    if (this.activity.state.linked === up) return;
    if (up) this.say(this.t("online_again"));
    if (up && this.outbox.failures) this.outbox.flush();
    this.activity.show({ linked: up });
  }

  /** @param {boolean} [fresh] the network changed, so an open stream may be dead */
  wake(fresh = false) {
    if (this.unread) this.host.tell("unread", { count: 0 });
    this.unread = 0;
    document.title = this.title;
    this.pause.end();
    this.tabs?.lead(true);
    this.live?.wake(fresh);
    if (this.outbox.failures) this.outbox.flush();
  }

  /**
   * What the page around asks for.
   * @param {string} type
   * @param {any} data
   */
  command(type, data) {
    if (type === "logout") this.logout();
    else if (type === "locale") this.setLocale(String(data?.value));
    else if (type === "scheme") this.looks.set({ scheme: String(data?.value) });
    else if (type === "opened") this.opened();
  }

  /** The panel was opened: on a phone its heading has the focus, so that no keyboard hides the notice. */
  opened() {
    this.wake();
    const wide = window.innerWidth > 640;
    const input = wide && !this.parts.input.disabled;
    (input ? this.parts.input : this.parts.title).focus({ preventScroll: true });
  }

  /** @param {{left: number, of: number}} pressed how far leaving by Shift has come */
  shift({ left, of }) {
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.parts.app.querySelectorAll(".leave"))) {
      button.dataset.left = left === of ? "" : String(left);
    }
    this.alarm(this.t(["", "leave_one_more", "leave_two_more", "leave_not"][left] ?? ""));
  }

  /** The person has left (first.js): nothing is sent, received or kept any more while the next page comes. */
  leave() {
    this.store.leave();
    this.stop();
  }

  stop() {
    this.over = true;
    this.aloud.stop();
    this.outbox.stop();
    this.live?.stop();
    this.tabs?.stop();
    this.idle.stop();
    this.pause.end();
    this.listeners.abort();
  }

  /** Sign-out on the clinic's site: over on the server, forgotten here. */
  async logout() {
    this.store.forget();
    this.end();
    this.parts.log.replaceChildren();
    this.log.seen.clear();
    this.notice("ended");
    await this.api.logout();
  }

  /** Everything was erased on the server. */
  erased() {
    this.store.forget();
    this.over = true;
    this.live?.stop();
    this.tabs?.stop();
    this.composer.lock(true);
    this.parts.log.replaceChildren();
    this.over = false;
    this.end("data_erased");
  }

  /**
   * The session is over for good. Nothing is thrown away until the person says so.
   * @param {string} [key] what is said
   */
  end(key = "ended") {
    if (this.over) return;
    this.over = true;
    this.live?.stop();
    this.tabs?.stop();
    this.idle.stop();
    this.composer.lock(true);
    this.activity.show({ linked: true, writing: false, loading: false });
    this.notice(key);
    const restart = () => {
      this.store.forget();
      this.host.reopen(this.locale);
    };
    this.parts.log.lastElementChild?.append(h("div", { class: "choices" }, plainButton(this.t("ended_button"), restart)));
    this.log.settleScroll();
  }
}
