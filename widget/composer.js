// @ts-check
/** The box to write in: Enter sends, Shift and Enter make a line, 4,000 characters with a counter near the end. */

/** @typedef {(key: string, values?: Record<string, string | number>) => string} Words */

const LIMIT = 4000;
const COUNT_FROM = 3600;
const SAY_AT = [400, 100, 20];

export class Composer {
  /**
   * @param {{flare: HTMLElement, form: HTMLFormElement, input: HTMLTextAreaElement, send: HTMLButtonElement, counter: HTMLElement}} parts
   * @param {{t: Words, say: (text: string) => void, onSend: (text: string) => void}} context
   */
  constructor({ flare, form, input, send, counter }, { t, say, onSend }) {
    this.flare = flare;
    this.input = input;
    this.button = send;
    this.counter = counter;
    this.t = t;
    this.say = say;
    this.onSend = onSend;
    this.left = LIMIT;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    input.addEventListener("keydown", (event) => {
      this.allowKeyboard();
      // 229: an input method is still composing a character; Enter then belongs to it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.submit();
    });
    input.addEventListener("pointerdown", () => this.allowKeyboard());
    input.addEventListener("blur", () => this.allowKeyboard());
    input.addEventListener("input", () => this.changed());
    this.changed();
  }

  /**
   * @param {boolean} locked
   * @param {boolean} [ended] for good: what was being written can still be read and copied, and keeps the focus
   */
  lock(locked, ended = false) {
    this.input.disabled = locked && !ended;
    this.input.readOnly = ended;
    this.flare.hidden = locked;
    this.input.placeholder = ended ? "" : this.t(locked ? "input_locked" : "input_placeholder");
    this.changed();
  }

  /** Put the focus here after a choice, with the phone's keyboard shut so that the answer can be seen. */
  focusQuietly() {
    if (this.input.disabled) return;
    this.input.setAttribute("inputmode", "none");
    this.input.focus({ preventScroll: true });
  }

  allowKeyboard() {
    this.input.removeAttribute("inputmode");
  }

  submit() {
    const text = this.input.value.trim();
    if (this.input.disabled || this.input.readOnly || !text) return;
    if (this.left < 0) {
      this.say(this.counter.textContent ?? "");
      return;
    }
    this.input.value = "";
    this.changed();
    this.onSend(text);
  }

  changed() {
    const { input } = this;
    const size = [...input.value].length;
    const before = this.left;
    this.left = LIMIT - size;
    const over = this.left < 0;
    this.counter.hidden = size < COUNT_FROM;
    this.counter.textContent = over ? this.t("chars_over", { count: -this.left }) : this.t("chars_left", { count: this.left });
    this.counter.classList.toggle("over", over);
    input.setAttribute("aria-invalid", String(over));
    if (SAY_AT.some((mark) => before > mark && this.left <= mark) || (over && before >= 0)) {
      this.say(this.counter.textContent);
    }
    this.button.setAttribute("aria-disabled", String(input.disabled || input.readOnly || over || !input.value.trim()));
    // Grow with the text; the greatest height is set by the style sheet.
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight + 2}px`;
  }
}
