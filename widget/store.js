// @ts-check
/**
 * What the browser keeps: one entry, nothing before the first notice is accepted. By default for this tab only
 * (sessionStorage); for longer only where the person has asked for it (localStorage). Storage may be forbidden (private
 * mode, a frame on another site): then memory has to do.
 */

/** @typedef {import("./transport.js").Message} Message */
/** @typedef {{size?: string, scheme?: string, aloud?: string, rate?: string, locale?: string, form?: string}} Preferences */
/**
 * @typedef {{token: string, conversation: string, consent: string, queue?: Message[], drafts?: Record<string, any>,
 *   preferences?: Preferences}} Saved
 */

export class Store {
  /** @param {string} clinic */
  constructor(clinic) {
    this.key = `pne:${clinic}`;
    /** @type {string | null} */
    this.memory = null;
    this.left = false;
    this.refused = false;
    this.remembered = this.read("localStorage") !== null;
    /** @type {Preferences} chosen before anything may be kept */
    this.early = {};
  }

  /** @returns {Saved | null} */
  load() {
    try {
      const text = (this.refused ? null : this.read(this.remembered ? "localStorage" : "sessionStorage")) ?? this.memory;
      const saved = JSON.parse(text ?? "null");
      return saved && typeof saved.token === "string" ? saved : null;
    } catch {
      return null;
    }
  }

  /** @param {Saved} saved */
  save(saved) {
    if (this.left) return;
    // Another tab was left, or told not to remember: this one keeps what it needs for itself, and only for now.
    if (this.remembered && this.memory && !this.refused && this.read("localStorage") === null) this.remembered = false;
    const preferences = { ...this.early, ...saved.preferences };
    this.memory = JSON.stringify({ ...saved, preferences });
    this.refused = !this.write(this.remembered ? "localStorage" : "sessionStorage", this.memory);
  }

  /**
   * Change a part of what is kept; nothing where nothing is kept yet.
   * @param {Partial<Saved>} change
   */
  change(change) {
    const saved = this.load();
    if (saved) this.save({ ...saved, ...change });
  }

  /**
   * A message waits to be sent, or no longer does. Other tabs may have theirs waiting in the same entry.
   * @param {Message} message
   * @param {boolean} waits
   */
  queue(message, waits) {
    const others = (this.load()?.queue ?? []).filter(({ client_id }) => client_id !== message.client_id);
    this.change({ queue: waits ? [...others, message] : others });
  }

  /**
   * @param {keyof Preferences} name
   * @returns {string | undefined}
   */
  preference(name) {
    return this.load()?.preferences?.[name] ?? this.early[name];
  }

  /** @param {Preferences} chosen */
  prefer(chosen) {
    this.early = { ...this.early, ...chosen };
    this.change({ preferences: { ...this.load()?.preferences, ...chosen } });
  }

  /** @param {boolean} longer keep it on this device, also after the tab is closed */
  remember(longer) {
    const saved = this.load();
    this.forget();
    this.remembered = longer;
    if (saved) this.save(saved);
  }

  /** The person leaves the page: nothing is kept any more, whatever an answer on its way may want to keep. */
  leave() {
    this.left = true;
    this.forget();
  }

  forget() {
    this.memory = null;
    this.clear();
    this.remembered = false;
  }

  clear() {
    for (const kind of ["sessionStorage", "localStorage"]) this.write(kind, null);
  }

  /**
   * @param {string} kind
   * @returns {string | null}
   */
  read(kind) {
    try {
      return /** @type {any} */ (window)[kind].getItem(this.key);
    } catch {
      return null; // storage refused: memory has it
    }
  }

  /**
   * @param {string} kind
   * @param {string | null} text
   * @returns {boolean} whether it was taken
   */
  write(kind, text) {
    try {
      const storage = /** @type {Storage} */ (/** @type {any} */ (window)[kind]);
      if (text === null) storage.removeItem(this.key);
      else storage.setItem(this.key, text);
      return true;
    } catch {
      return false; // storage refused: memory has it
    }
  }
}
