/**
 * The patient API in the page itself, behind a network that does its worst. Everything comes from one seed and from the
 * page's clock, which the test turns: a run that fails can be run again. An init script; flaky_patient.js is the patient.
 */
window.FlakyServer = (() => {
  const STORM_MS = 150000; // then the network is as it should be
  const HEARTBEAT_MS = 15000;
  const PAGE = 3; // events in one answer of the long poll: history comes in many pieces
  const CONSENT = { version: "first.v1", bubbles: ["Read this first."], accept: "I have read this" };

  /** Numbers from a seed (mulberry32). */
  function numbers(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  class FlakyServer {
    constructor(seed) {
      this.seed = seed;
      this.random = numbers(seed);
      this.began = Date.now();
      this.faults = [];
      this.conversations = new Map();
      this.tokens = new Map(); // token -> {conversation, good}
      this.open = new Set(); // what a cut, a restart or a reload ends
      this.offline = false;
      this.downUntil = 0;
      this.buffering = this.random() < 0.2; // a proxy that never lets a stream through
      this.ids = 0;
    }

    get stormy() {
      return Date.now() - this.began < STORM_MS;
    }

    chance(share) {
      return this.stormy && this.random() < share;
    }

    between(low, high) {
      return low + this.random() * (high - low);
    }

    note(fault) {
      this.faults.push(`${((Date.now() - this.began) / 1000).toFixed(1)} s ${fault}`);
    }

    // ---- The server

    begin() {
      const id = `c${++this.ids}`;
      const talk = { id, log: [], by: new Map(), waiting: new Set() };
      this.conversations.set(id, talk);
      this.append(talk, "system", { kind: "consent", bubbles: CONSENT.bubbles, version: CONSENT.version, buttons: [{ title: CONSENT.accept, payload: "consent:accept" }] });
      return talk;
    }

    append(talk, author, body, clientId) {
      const event = { seq: talk.log.length + 1, type: "message", at: new Date().toISOString(), author, body };
      if (clientId) event.client_id = clientId;
      talk.log.push(event);
      for (const wake of [...talk.waiting]) wake();
      return event;
    }

    token(talk) {
      const token = `t${++this.ids}`;
      this.tokens.set(token, { talk, good: true });
      return token;
    }

    session(asked) {
      const known = this.tokens.get(asked.token);
      const talk = known?.talk ?? this.begin();
      return [known ? 200 : 201, { session: known?.good ? asked.token : this.token(talk), conversation: talk.id, consent: CONSENT, reading: "full" }];
    }

    message(talk, asked) {
      const earlier = talk.by.get(asked.client_id);
      if (earlier) {
        this.note(`came again: ${asked.client_id.slice(0, 6)}`);
        return [202, { seq: earlier.seq }];
      }
      const body = { kind: "text", text: asked.text, fallback_text: asked.text, ...(asked.payload ? { payload: asked.payload } : {}) };
      const event = this.append(talk, "patient", body, asked.client_id);
      talk.by.set(asked.client_id, event);
      if (this.random() < 0.5) this.say(talk, `Answer to ${event.seq}`, this.between(0, 2000));
      return [202, { seq: event.seq }];
    }

    say(talk, text, wait) {
      setTimeout(() => this.append(talk, "bot", { kind: "text", bubbles: [text], fallback_text: text }), wait);
    }

    /** @returns {[number, any] | null} what the server answers, once; null: it is asked for events */
    answer(url, options) {
      if (url.pathname === "/v1/session") return options.method === "DELETE" ? [204, null] : this.session(JSON.parse(options.body));
      const [, , , id, what] = url.pathname.split("/");
      const known = this.tokens.get((options.headers?.Authorization ?? "").slice(7));
      if (!known?.good) return [401, { code: "no_session" }];
      if (known.talk.id !== id) return [404, { code: "not_yours" }];
      if (what === "messages") return this.message(known.talk, JSON.parse(options.body));
      return what === "events" ? null : [204, null];
    }

    // ---- The network

    /** Waits, and gives up when the page does, or when the line is cut. */
    wait(ms, signal) {
      return new Promise((resolve, reject) => {
        const done = (end) => (value) => {
          clearTimeout(timer);
          this.open.delete(cut);
          signal?.removeEventListener("abort", cut);
          end(value);
        };
        const cut = done(() => reject(new TypeError("network")));
        const timer = ms === Infinity ? 0 : setTimeout(done(resolve), ms);
        this.open.add(cut);
        signal?.addEventListener("abort", cut);
        if (signal?.aborted) cut();
      });
    }

    async fetch(address, options = {}) {
      const url = new URL(address, location.href);
      const { signal } = options;
      const life = this.life;
      const gone = new Promise(() => {}); // the page that asked is no more
      const live = async (step) => {
        let failed;
        const value = await step.catch((error) => { failed = error; });
        if (life !== this.life) await gone;
        if (failed) throw failed;
        return value;
      };
      const what = `${options.method ?? "GET"} ${url.pathname.split("/").pop()}${url.search}`;
      if (this.offline || Date.now() < this.downUntil) {
        await live(this.wait(5, signal).catch(() => {}));
        throw new TypeError("network");
      }
      const early = ["lost before", "hangs before", "500", "503", "429", "portal", "404 of a proxy"];
      const late = ["answer lost", "answer hangs", "502 after", "body cut", "body hangs", "answer late"];
      const post = options.method === "POST";
      const fault = this.chance(0.35) ? [...early, ...late][Math.floor(this.random() * 13)] : "";
      // Posts that a proxy refuses for good are shown as not sent: that is right, and not what is tried here.
      const kind = fault === "404 of a proxy" && post && !url.pathname.endsWith("session") ? "500" : fault;
      if (kind) this.note(`${what}: ${kind}`);
      let broken;
      await this.wait(this.between(5, 400), signal).catch((error) => { broken = error; });
      if (life !== this.life) {
        if (post && this.random() < 0.5) this.answer(url, options); // it had left the page before the page went
        await gone;
      }
      if (broken) throw broken;
      if (kind === "lost before") throw new TypeError("network");
      if (kind === "hangs before") await live(this.wait(Infinity, signal));
      if (kind === "500" || kind === "503") return reply(Number(kind), { code: "internal" });
      if (kind === "429") return reply(429, { code: "too_many" }, { "retry-after": String(Math.ceil(this.between(1, 8))) });
      if (kind === "portal") return reply(200, undefined, { "content-type": "text/html" });
      if (kind === "404 of a proxy") return reply(404, undefined);
      const answered = this.answer(url, options);
      if (!answered) {
        const talk = this.tokens.get(options.headers.Authorization.slice(7)).talk;
        if (!url.searchParams.has("wait")) return this.stream(talk, Number(url.searchParams.get("after")), signal, live);
        return this.poll(talk, url.searchParams, signal, live, kind);
      }
      return this.back(answered, signal, live, kind);
    }

    async back([status, content], signal, live, kind) {
      if (kind === "answer lost") {
        await live(this.wait(this.between(5, 3000), signal));
        throw new TypeError("network");
      }
      if (kind === "answer hangs") await live(this.wait(Infinity, signal));
      if (kind === "502 after") return reply(502, undefined);
      await live(this.wait(kind === "answer late" ? this.between(3000, 30000) : this.between(5, 800), signal));
      if (kind === "body cut") return reply(status, undefined);
      if (kind === "body hangs") return reply(status, undefined, {}, () => live(this.wait(Infinity, signal)));
      return reply(status, content);
    }

    async poll(talk, query, signal, live, kind) {
      const after = Number(query.get("after"));
      const until = Date.now() + 1000 * Number(query.get("wait"));
      while (talk.log.length <= after && Date.now() < until) await live(this.wait(Math.min(1000, until - Date.now()), signal));
      return this.back([200, { events: talk.log.slice(after, after + PAGE) }], signal, live, kind);
    }

    /** The event stream: in pieces of any size, cut anywhere, told again, or kept back by a proxy. */
    stream(talk, after, signal, live) {
      const bytes = [];
      const encoder = new TextEncoder();
      const newline = this.random() < 0.2 ? "\r\n" : "\n";
      const write = (text) => bytes.push(...encoder.encode(text.replaceAll("\n", newline)));
      const buffered = (this.buffering && this.stormy) || this.chance(0.1);
      const lives = this.chance(0.4) ? this.between(10, 20000) : Infinity;
      const ends = Date.now() + lives;
      const cleanly = this.random() < 0.5;
      if (buffered) this.note("stream kept back");
      else if (lives < Infinity) this.note(`stream for ${Math.round(lives)} ms`);
      let sent = after;
      let heart = Date.now() + HEARTBEAT_MS;
      let wake = () => {};
      write("retry: 1000\n\n");
      const more = () => {
        if (this.chance(0.15)) sent = Math.max(0, sent - 2); // some events come again
        for (; sent < talk.log.length; sent += 1) {
          const event = talk.log[sent];
          write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
          if (this.chance(0.1)) write("event: status\ndata: {\"open\": false}\n\n: note\n\n");
        }
        if (Date.now() >= heart) {
          heart = Date.now() + HEARTBEAT_MS;
          write(": still here\n\n");
        }
      };
      const read = async () => {
        for (;;) {
          if (buffered) await live(this.wait(Infinity, signal));
          more();
          const due = Math.max(5, Math.min(ends, heart) - Date.now());
          if (bytes.length) {
            // All that is left at once where it is the end: a stream may end in the middle of a frame.
            const piece = bytes.splice(0, 1 + Math.floor(this.random() * (this.random() < 0.3 ? 20 : 4000)));
            await live(this.wait(this.between(1, 200), signal));
            return { done: false, value: Uint8Array.from(piece) };
          }
          if (Date.now() >= ends) {
            if (cleanly) return { done: true };
            throw new TypeError("network");
          }
          await live(Promise.race([this.wait(due, signal), new Promise((resolve) => (wake = resolve))]));
          if (signal?.aborted) throw new TypeError("aborted");
        }
      };
      talk.waiting.add(() => wake());
      return Object.assign(reply(200, undefined, { "content-type": "text/event-stream" }), { body: { getReader: () => ({ read: async () => {
        if (Date.now() >= ends && !cleanly) throw new TypeError("network"); // in the middle of a frame
        return read();
      } }) } });
    }

    cut() {
      for (const end of [...this.open]) end();
    }
  }

  function reply(status, content, headers = {}, first = async () => {}) {
    return {
      ok: status >= 200 && status < 300,
      status,
      headers: new Headers({ "content-type": "application/json", ...headers }),
      body: {},
      json: async () => {
        await first();
        if (content === undefined) throw new SyntaxError("not JSON");
        return structuredClone(content);
      },
    };
  }

  return Object.assign(FlakyServer, { numbers, STORM_MS });
})();
