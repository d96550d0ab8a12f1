// @ts-check
/**
 * Reading aloud with the voices of the device only: voices from the internet would send what is read to somebody else.
 * Answers are English, so the voice is too.
 */

/** @typedef {import("./store.js").Store} Store */

const RATES = /** @type {Record<string, number>} */ ({ slow: 0.75, normal: 1, fast: 1.3 });

export class Aloud {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.synth = window.speechSynthesis;
    this.synth?.addEventListener?.("voiceschanged", () => this.onVoices());
    /** @type {() => void} */
    this.onVoices = () => {};
  }

  /** @returns {SpeechSynthesisVoice | null} a voice of this device, or null */
  voice() {
    const own = (this.synth?.getVoices() ?? []).filter((voice) => voice.localService === true && /^en\b/i.test(voice.lang));
    return own.find((voice) => /^en[-_]GB/i.test(voice.lang)) ?? own[0] ?? null;
  }

  /** @returns {boolean} */
  get on() {
    return this.store.preference("aloud") === "on" && this.voice() !== null;
  }

  /** @returns {boolean} */
  get speaking() {
    return Boolean(this.synth?.speaking);
  }

  /** @param {string} text */
  say(text) {
    const voice = this.voice();
    if (!voice || !text) return;
    const words = new SpeechSynthesisUtterance(text);
    words.voice = voice;
    words.lang = voice.lang;
    words.rate = RATES[this.store.preference("rate") ?? "normal"] ?? 1;
    this.synth.speak(words);
  }

  stop() {
    this.synth?.cancel();
  }
}
