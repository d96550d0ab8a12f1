// @ts-check
/** The chat page: ties the session, the sending, the receiving and what is on the screen together. */

import { Composer } from "./composer.js";
import { announcer, byId, h, Pause, uuid, wording } from "./dom.js";
import { backoff, Live } from "./live.js";
import { Transcript } from "./log.js";
import { Activity, fitViewport, urgentHelp } from "./page.js";
import { authorName, closeChoices, reopenChoices, spoken } from "./render.js";
import { Api, Outbox, Problem, Store } from "./transport.js";

/** @typedef {import("./transport.js").ChatEvent} ChatEvent */
/** @typedef {import("./transport.js").Choice} Choice */
/** @typedef {import("./transport.js").Message} Message */
/** @typedef {import("./transport.js").Session} Session */

const ACCEPT = "consent:accept";
const PERSON = "person:ask";
const PERSON_PAUSE_MS = 3000; // a shaking hand presses twice

class Chat {
  constructor() {
    this.t = wording(JSON.parse(byId("strings").textContent ?? "{}"));
    this.say = announcer(byId("polite"));
    this.alarm = announcer(byId("assertive"));
    this.status = byId("status");
    this.activity = new Activity(byId("activity"), this.t);
    this.store = new Store(byId("app").dataset.clinic ?? "");
    this.api = new Api(byId("app").dataset.clinic ?? "", this.store);
    /** @type {Session["consent"] | null} consent that still has to be given */
    this.consent = null;
    /** @type {Map<string, HTMLElement>} groups closed by a message that is still on its way */
    this.groups = new Map();
    /** @type {Set<string>} */
    this.shownProblems = new Set();
    /** @type {Set<string>} */
    this.late = new Set();
    this.pause = new Pause();
    /** @type {Session["consent"] | null} */
    this.terms = null;
    this.resumed = false;
    this.over = false;
    this.unread = 0;
    this.personAt = 0;
    this.title = document.title;
    this.log = new Transcript(byId("log"), byId("more"), { t: this.t, choose: (...choice) => this.choose(...choice) });
    this.composer = new Composer(
      { form: byId("composer"), input: byId("input"), send: byId("send"), counter: byId("counter") },
      { t: this.t, say: this.say, onSend: (text) => this.send({ kind: "text", text }) },
    );
    this.outbox = new Outbox(this.api, {
      onTry: (message) => this.log.delivery(message.client_id, "sending"),
      onSent: (message, seq) => this.sent(message, seq),
      onDelay: (message, problem) => this.delayed(message, problem),
      onRefused: (message, problem) => this.refused(message, problem),
      onEnded: () => this.end(),
    });
    /** @type {Live | null} */
    this.live = null;
  }

  async start() {
    const person = /** @type {HTMLButtonElement} */ (byId("person"));
    person.disabled = false;
    person.addEventListener("click", () => this.askForPerson(person));
    urgentHelp(/** @type {HTMLDetailsElement} */ (byId("urgent")));
    fitViewport(() => this.log.resized());
    window.addEventListener("online", () => this.wake(true));
    window.addEventListener("offline", () => this.link(false));
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    window.addEventListener("pne:leave", () => this.leave());
    this.composer.lock(true);
    this.activity.show();
    const session = await this.open();
    if (!session || this.over) return;
    this.terms = session.consent;
    if (this.resumed) await this.history();
    if (this.store.load()?.consent === session.consent.version) this.composer.lock(false);
    else this.askConsent(session.consent);
    this.activity.show({ loading: false });
    this.live = new Live(
      this.api,
      {
        onEvent: (event) => this.receive(event),
        onWriting: (open) => this.activity.show({ writing: open }),
        onLink: (up) => this.link(up),
        onEnded: () => this.end(),
      },
      Math.max(0, ...this.log.seen),
    );
    this.live.run();
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
        this.notice(problem.passing ? "cannot_open" : "cannot_open_final");
        if (!problem.passing) {
          this.activity.show({ loading: false });
          return null;
        }
        await this.pause.wait(Math.max(backoff(failures), problem.retryAfter));
      }
    }
  }

  /** What was said before a reload, shown without reading it all out again. */
  async history() {
    try {
      const { events } = await (await this.api.events("after=0&wait=0", "application/json")).json();
      for (const event of events ?? []) this.receive(event, true);
      this.log.toEnd();
    } catch {
      // the stream asks again from the first message
    }
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
    const words = `${authorName(event, this.t)}: ${spoken(body)}`;
    if (body.kind === "safety") this.alarm(words);
    else this.say(words);
    if (document.hidden) document.title = `(${(this.unread += 1)}) ${this.title}`;
  }

  /** @param {Omit<Message, "client_id">} content */
  send(content) {
    const message = { ...content, client_id: uuid() };
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
    if (this.consent && choice.payload !== ACCEPT) return;
    closeChoices(group, choice.payload, this.t);
    const reply = typeof event.seq === "number" ? { reply_to: event.seq } : {};
    const message = this.send({ kind: "button", text: choice.title, payload: choice.payload, ...reply });
    this.groups.set(message.client_id, group);
    this.composer.focusQuietly();
  }

  /** @param {HTMLElement} button */
  askForPerson(button) {
    if (this.over) return;
    if (this.consent || this.activity.state.loading) {
      this.notice("person_needs_consent");
      const accept = byId("log").querySelector(`.kind-consent .choice:not([aria-disabled])`);
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
    this.store.save({ token, conversation, consent: this.consent.version });
    this.consent = null;
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
    this.status.textContent = this.t(["waiting", "human"].includes(state) ? `status_${state}` : "status_bot");
    this.status.dataset.state = state;
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
    this.unread = 0;
    document.title = this.title;
    this.pause.end();
    this.live?.wake(fresh);
    if (this.outbox.failures) this.outbox.flush();
  }

  /** The person has left (leave.js): nothing is sent, received or kept any more while the next page comes. */
  leave() {
    this.over = true;
    this.store.leave();
    this.outbox.stop();
    this.live?.stop();
  }

  /** The server has closed the session for good. Nothing is thrown away until the person says so. */
  end() {
    if (this.over) return;
    this.over = true;
    this.live?.stop();
    this.composer.lock(true);
    this.activity.show({ linked: true, writing: false });
    this.notice("ended");
    const restart = () => {
      this.store.forget();
      location.reload();
    };
    byId("log").lastElementChild?.append(h("button", { type: "button", class: "choice", onclick: restart }, this.t("ended_button")));
    this.log.settleScroll();
  }
}

new Chat().start();
