// @ts-check
/** The chat: ties the session, the sending, the receiving and what is on the screen together. */

import { Aloud } from "./aloud.js";
import { Composer } from "./composer.js";
import { announcer, h, Pause, plainButton } from "./dom.js";
import { follow, history } from "./following.js";
import { Idle } from "./idle.js";
import { later } from "./later.js";
import { Transcript } from "./log.js";
import { openMenu } from "./menu.js";
import { openSession } from "./opening.js";
import { Activity, fitViewport, urgentPanel } from "./page.js";
import { authorName } from "./render.js";
import { spoken } from "./rich.js";
import { ACCEPT, Sending } from "./sending.js";
import { Signs } from "./signs.js";
import { Api } from "./transport.js";

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Session} Session */
/**
 * @typedef {{root: ShadowRoot, parts: import("./shell.js").Parts, t: import("./shell.js").Words,
 *   strings: Record<string, string>, start: import("./element.js").Start, store: import("./store.js").Store,
 *   looks: import("./looks.js").Looks, host: import("./host.js").Host, home: string}} About
 */

const FLARE = "tutor:flare";

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
    /** @type {Set<string>} */
    this.shownProblems = new Set();
    this.asking = false;
    this.pause = new Pause();
    this.resumed = false;
    this.old = 0; // up to this number all was said before the page was opened, and is not read out
    this.over = false;
    this.noticed = ""; // version of the notice that the server has shown
    this.away = false; // closed by the page around, and still there
    this.unread = 0;
    /** @type {HTMLElement | null} begins a new chat, once this one has ended */
    this.again = null;
    this.title = document.title;
    this.log = new Transcript(parts.log, parts.more, {
      t, home,
      exit: start.clinic.exit_url ?? "about:blank",
      locale: strings.lang,
      form: () => this.form(),
      aloud: () => this.aloud.on,
      read: (_article, event) => this.aloud.say(spoken(event.body, this.form())),
      choose: (...choice) => this.sending.choose(...choice),
      answer: (event, answers) => this.sending.answer(event, answers),
      draft: (event) => this.store.load()?.drafts?.[String(event.seq)],
      keepDraft: (event, draft) => this.sending.keepDraft(event, draft),
      part: (name) => this.part(name),
      fetch: (path) => this.api.about("GET", path),
      resized: () => this.log.resized(),
      rate: (event, value, code) => this.sending.rate(event, value, code),
    });
    this.composer = new Composer(parts, { t, say: this.say, onSend: (text) => this.sending.send({ kind: "text", text }) });
    this.sending = new Sending(this);
    this.signs = new Signs(this);
    /** @type {import("./live.js").Live | null} */
    this.live = null;
    /** @type {import("./tabs.js").Tabs | null} */
    this.tabs = null;
    this.idle = new Idle(this);
    this.listeners = new AbortController();
  }

  /**
   * What is rarely used, with its looks, once it is loaded.
   * @template {keyof import("./later.js").Parts} Name
   * @param {Name} name
   * @returns {Promise<import("./later.js").Parts[Name]>}
   * @throws where it cannot be had now
   */
  async part(name) {
    const part = await later(name, this.root);
    this.looks.add(part.styles);
    return part;
  }

  /** @returns {boolean} whether the first notice has been accepted */
  get accepted() {
    return Boolean(this.terms && !this.consent && !this.over);
  }

  async run() {
    const { parts, listeners } = this;
    const once = { signal: listeners.signal };
    parts.person.disabled = false;
    parts.person.addEventListener("click", () => this.sending.ask(parts.person));
    parts.flare.addEventListener("click", () => this.sending.ask(parts.flare, FLARE, true));
    parts.menu.addEventListener("click", () => openMenu(this));
    parts.close?.addEventListener("click", () => this.host.tell("close"));
    // Before the "Urgent help" panel hears it, which closes itself first.
    if (parts.close) document.addEventListener("keydown", (event) => this.escape(event), { ...once, capture: true });
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
    const session = await openSession(this);
    if (!session || this.over) return;
    this.terms = session.consent;
    this.retentionDays = session.retention_days ?? 0;
    if (session.reading && session.reading !== "full") this.looks.set({ form: session.reading });
    // Somebody who is signed in may have begun on another device: the same chat, and the notice was accepted there.
    if (this.resumed || this.api.signed) {
      this.old = session.last_seq ?? 0;
      await history(this);
    }
    if (this.store.load()?.consent === session.consent.version) this.sending.resume();
    else this.askConsent(session.consent);
    this.activity.show({ loading: false });
    this.idle.start(this.api.signed ? session.slides ?? 0 : 0);
    follow(this);
    this.host.tell("ready");
  }

  /** @param {Session["consent"]} consent */
  askConsent(consent) {
    this.consent = consent;
    this.composer.lock(true);
    const open = this.parts.log.querySelector(".kind-consent .choice:not([aria-disabled])");
    if (open && this.noticed === consent.version) return; // shown with the history
    const buttons = [{ title: consent.accept, payload: ACCEPT }];
    const body = { kind: "consent", bubbles: consent.bubbles, buttons, version: consent.version };
    this.receive({ seq: null, author: "system", at: new Date().toISOString(), body });
  }

  /** @param {ChatEvent} event */
  receive(event) {
    const { body } = event;
    if (!body) return;
    const quiet = event.seq !== null && event.seq <= this.old;
    if (body.kind === "consent" && event.seq !== null) this.noticed = body.version ?? "";
    if (body.kind === "consent" && event.seq !== null && body.version === this.terms?.version && this.log.adopt(event.seq)) return;
    if (body.kind === "handoff") this.state(body.state ?? "");
    if (body.reading && !quiet) this.readAs(body.reading);
    if (event.client_id && event.seq !== null) this.sending.outbox.confirm(event.client_id, event.seq);
    if (body.payload === ACCEPT && event.author === "patient" && event.seq !== null) this.sending.agreed();
    const news = this.log.add(event);
    if (news && event.author === "clinician") {
      this.activity.person("");
      if (event.seq !== null) this.signs.watch(event.seq);
    }
    if (!news || quiet || event.author === "patient") return;
    const words = `${authorName(event, this.t)}: ${spoken(body, this.form())}`;
    if (body.kind === "safety") this.alarm(words);
    else this.say(words);
    if (this.aloud.on && !this.away) this.aloud.say(spoken(body, this.form()));
    if (!document.hidden && !this.away) return;
    document.title = `(${(this.unread += 1)}) ${this.title}`;
    this.host.tell("unread", { count: this.unread });
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
    this.readAs(form);
    if (!this.accepted) return true;
    try {
      await this.api.about("PATCH", "settings", { reading: form });
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} form */
  readAs(form) {
    this.looks.set({ form });
    this.log.reform();
  }

  /** @param {string} locale */
  setLocale(locale) {
    if (locale === this.locale || !(locale in this.start.languages)) return;
    this.store.prefer({ locale });
    this.host.reopen(locale);
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
    if (up && this.sending.outbox.failures) this.sending.outbox.flush();
    this.activity.show({ linked: up });
    this.signs.soon();
  }

  /** @param {boolean} [fresh] the network changed, so an open stream may be dead */
  wake(fresh = false) {
    if (!this.away && !document.hidden) {
      if (this.unread) this.host.tell("unread", { count: 0 });
      this.unread = 0;
      document.title = this.title;
    }
    this.pause.end();
    this.signs.soon();
    if (!document.hidden) this.tabs?.lead(true);
    this.live?.wake(fresh);
    if (this.sending.outbox.failures) this.sending.outbox.flush();
  }

  /**
   * What the page around asks for.
   * @param {string} type
   * @param {any} data
   */
  command(type, data) {
    if (type === "logout") this.logout();
    else if (type === "locale") this.setLocale(String(data?.value));
    else if (type === "scheme") this.looks.offer(String(data?.value));
    else if (type === "opened") this.opened();
    else if (type === "closed") {
      this.away = true;
      this.aloud.stop();
    }
  }

  /** @param {KeyboardEvent} event Escape closes what is open: a menu, the panel of numbers, then the chat itself */
  escape(event) {
    const { app, urgent } = this.parts;
    if (event.key !== "Escape" || event.isComposing || urgent.open || app.querySelector("dialog")) return;
    this.host.tell("close");
  }

  /** The panel was opened: on a phone its heading has the focus, so that no keyboard hides the notice. */
  opened() {
    this.away = false;
    this.wake();
    // Not by width: on a desktop the frame is as narrow as a phone.
    const input = !matchMedia("(pointer: coarse)").matches && !this.parts.input.disabled;
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
    this.sending.outbox.stop();
    this.live?.stop();
    this.tabs?.stop();
    this.idle.stop();
    this.signs.stop();
    this.pause.end();
    this.listeners.abort();
  }

  /** Sign-out on the clinic's site: over on the server, forgotten here, and nothing of it left on the screen. */
  async logout() {
    this.api.token ||= this.store.load()?.token ?? "";
    const { app, log, input } = this.parts;
    app.querySelector("dialog")?.remove();
    this.sending.outbox.stop();
    this.aloud.stop();
    this.store.forget();
    log.replaceChildren();
    input.value = "";
    this.shownProblems.clear();
    this.over = false;
    this.end();
    await this.api.logout();
    this.host.tell("signed-out");
  }

  /** Everything was erased on the server. */
  erased() {
    this.store.forget();
    this.parts.app.querySelector("dialog")?.close();
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
    this.composer.lock(true, true);
    this.activity.show({ linked: true, writing: false, loading: false });
    this.activity.person("");
    this.notice(key);
    // Nothing more is sent: what waits says so, and can still be read.
    this.api.ended = true;
    for (const { client_id: id } of this.sending.outbox.queue) this.log.delivery(id, "refused");
    if (this.sending.outbox.queue.length) this.alarm(this.t("refused_spoken"));
    const restart = () => {
      this.store.forget();
      this.host.reopen(this.locale);
    };
    this.parts.log.lastElementChild?.append(h("div", { class: "choices" }, (this.again = plainButton(this.t("ended_button"), restart))));
    this.log.settleScroll();
  }
}
