/**
 * A patient at the chat whose network is flaky_server.js: writes, loads the page anew, loses the network for a minute; and
 * what must hold all the while. An init script: it stands in for `fetch`.
 */
window.flaky = (() => {
  const { numbers, STORM_MS } = window.FlakyServer;
  const MINUTE = 60000;
  const WORDS = ["sore", "stiff", "can I walk?", "ÄÖ – 背中が痛い", "👩🏽‍⚕️ says", "a\nb", "\"quoted\" data: x", "id: 7"];

  class Run extends window.FlakyServer {
    constructor(seed) {
      super(seed);
      this.wrong = [];
      this.typed = [];
    }

    /** The conversation that the page shows, as the server has it. */
    talk() {
      return this.conversations.get(this.element?.chat?.api.conversation);
    }

    show() {
      this.element = document.createElement("pne-chat");
      this.element.setAttribute("clinic", "demo");
      this.element.setAttribute("mode", "page");
      document.body.append(this.element);
      const look = new MutationObserver(() => this.look());
      setTimeout(() => this.element.chat && look.observe(this.element.chat.parts.log, { childList: true, subtree: true, attributes: true }), 0);
    }

    reload() {
      this.note("reload");
      this.life = {};
      this.cut();
      this.element.remove();
      this.show();
    }

    root() {
      return this.element.shadowRoot;
    }

    type(text) {
      const input = this.root().getElementById("input");
      if (!input || input.disabled) return void setTimeout(() => this.type(text), 700);
      input.value = text;
      this.typed.push(text);
      input.closest("form").requestSubmit();
    }

    accept() {
      const button = this.root().querySelector(".kind-consent .choice:not([aria-disabled])");
      if (this.element.chat?.accepted) return;
      if (button) button.click();
      setTimeout(() => this.accept(), 900);
    }

    goOffline() {
      this.note("offline for a minute");
      this.offline = true;
      this.cut();
      dispatchEvent(new Event("offline"));
      setTimeout(() => {
        this.offline = false;
        dispatchEvent(new Event("online"));
      }, MINUTE);
    }

    restart() {
      const ms = this.between(2000, 12000);
      this.note(`server away for ${Math.round(ms)} ms`);
      this.downUntil = Date.now() + ms;
      this.cut();
    }

    expire() {
      this.note("tokens expire");
      for (const known of this.tokens.values()) known.good = false;
    }

    start() {
      this.life = {};
      this.show();
      setTimeout(() => this.accept(), 500);
      const messages = 8 + Math.floor(this.random() * 8);
      const pushes = 5 + Math.floor(this.random() * 6);
      // One after another, as hands do it; a wait for the box to open must not change the order.
      const lines = Array.from({ length: messages }, (_, n) => `m${n + 1} ${WORDS[Math.floor(this.random() * WORDS.length)]}`);
      const next = () => {
        const input = this.root().getElementById("input");
        if (input && !input.disabled && this.element.chat?.accepted) this.type(lines.shift());
        if (lines.length) setTimeout(next, this.random() < 0.3 ? this.between(1, 300) : this.between(500, 2 * STORM_MS / messages));
      };
      setTimeout(next, 1500);
      for (let n = 0; n < pushes; n += 1) {
        const push = () => this.talk() && this.element.chat.accepted
          ? this.say(this.talk(), `push ${n}`, 0) : void setTimeout(push, 3000);
        setTimeout(push, this.between(2000, STORM_MS + 20000));
      }
      const sometimes = (share, act) => this.random() < share && setTimeout(() => act.call(this), this.between(5000, STORM_MS - MINUTE));
      sometimes(0.5, this.goOffline);
      sometimes(0.5, this.restart);
      sometimes(0.6, this.expire);
      sometimes(0.3, this.expire);
      const reload = () => this.store() ? this.reload() : void setTimeout(reload, 2000);
      sometimes(0.6, reload);
      sometimes(0.3, reload);
      this.left = () => lines.length;
    }

    store() {
      return JSON.parse(sessionStorage.getItem("pne:demo") ?? "null");
    }

    // ---- What must hold

    claim(true_, what) {
      if (!true_ && !this.wrong.some((line) => line.endsWith(what))) this.wrong.push(`${((Date.now() - this.began) / 1000).toFixed(1)} s: ${what}`);
    }

    /** At every change of the page: nothing looks sent that the server does not have; order, and once each. */
    look() {
      const talk = this.talk();
      if (!talk || !this.element.isConnected) return;
      const articles = [...this.root().querySelectorAll("article")];
      const stored = new Set(talk.log.map(({ body }) => body.text));
      const seqs = articles.map((one) => Number(one.dataset.seq)).filter(Boolean);
      this.claim(seqs.every((seq, n) => !n || seqs[n - 1] < seq), `order ${seqs}`);
      const queued = new Set(this.element.chat.sending.outbox.queue.map(({ text }) => text));
      for (const one of articles.filter((article) => article.matches(".patient"))) {
        const text = one.querySelector(".bubble").textContent;
        const state = one.querySelector(".delivery")?.dataset.state ?? "";
        const looksSent = one.dataset.seq || state === "sent" || !state;
        this.claim(!looksSent || stored.has(text), `looks sent and is not: ${text} (${state})`);
        this.claim(state !== "refused", `refused: ${text}`);
        this.claim(!state || state === "sent" || queued.has(text), `waits and is not queued: ${text}`);
      }
    }

    /** @returns {boolean} whether nothing is left to come */
    settled() {
      const talk = this.talk();
      return talk !== undefined && !this.stormy && !this.left() && this.typed.length > 0 && this.element.chat.sending.outbox.queue.length === 0 &&
        this.root().querySelectorAll("[data-seq]").length >= talk.log.length && talk.log.filter(({ body }) => body.bubbles?.[0]?.startsWith("push")).length > 4;
    }

    result() {
      const talk = this.talk();
      const line = (seq, author, text) => `${seq} ${author}: ${text}`;
      this.look();
      return {
        seed: this.seed,
        wrong: this.wrong,
        faults: this.faults,
        server: (talk?.log ?? []).map(({ seq, author, body }) => line(seq, author, body.text ?? body.bubbles[0])),
        // What the page itself says is not on the server: that it cannot open the chat yet.
        shown: [...this.root().querySelectorAll("article:not(.kind-notice:not([data-seq]))")].map((one) =>
          line(one.dataset.seq ?? "-", one.classList[1], one.querySelector(".bubble").textContent)),
        sent: (talk?.log ?? []).filter(({ author, body }) => author === "patient" && !body.payload).map(({ body }) => body.text),
        typed: this.typed,
        queue: this.store()?.queue ?? null,
        linked: this.element.chat?.activity.state.linked ?? null,
        minutes: Math.round((Date.now() - this.began) / 6000) / 10,
      };
    }

    end() {
      this.life = {};
      this.element.remove();
      this.cut();
      sessionStorage.clear();
      document.adoptedStyleSheets = [];
    }
  }

  let run = null;
  Object.defineProperty(navigator, "onLine", { get: () => !run?.offline });
  window.fetch = (address, options) => run.fetch(address, options);
  return {
    begin(seed) {
      run = new Run(seed);
      Math.random = numbers(seed ^ 0x5bd1e995);
      run.start();
    },
    settled: () => run.settled(),
    result: () => run.result(),
    end: () => run.end(),
  };
})();
