/**
 * The sound of a new item, made by Web Audio. A crisis or emergency sounds different, and again every half minute while
 * it is on the page and nobody has taken it. Browsers play nothing until something was pressed; the button says so.
 */

import { remember, remembered } from "./device.js";

const AGAIN_MS = 30_000;
// Frequency in Hz, start and length in seconds.
const URGENT = [0, 0.5, 1].flatMap((start) => [[988, start, 0.16], [740, start + 0.2, 0.2]]);
const GENTLE = [[587, 0, 0.18], [784, 0.2, 0.3]];
const LOUD = 0.35;
const SOFT = 0.18;

const button = document.getElementById("sound");
let words;
let context = null;
let tried = false;
let repeating = 0;
let muted = remembered("muted") === "yes";

/** Puts the button to work. `labels`: data-sound-start, -mute and -unmute. */
export function offerSound(labels) {
  words = labels;
  // Any press lets the browser play; then the button says Mute. One on the button itself means what it says by then.
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, (event) => playing() || button?.contains(event.target) || start());
  }
  button?.addEventListener("click", () => {
    muted = playing() && !muted;
    remember("muted", muted ? "yes" : "no");
    start().then(() => muted || play(GENTLE, SOFT));
  });
  show();
}

/** Rings for what is new: `urgent` where it is a crisis or an emergency. */
export function ring(urgent) {
  if (urgent) play(URGENT, LOUD);
  else play(GENTLE, SOFT);
  // A button that is needed now must be seen: see `show`.
  show();
}

/** Rings again and again while so many urgent items wait. */
export function ringWhile(urgent) {
  if (!urgent) {
    clearInterval(repeating);
    repeating = 0;
  } else if (!repeating) {
    ring(true);
    repeating = setInterval(() => ring(true), AGAIN_MS);
  }
}

function playing() {
  return context?.state === "running";
}

async function start() {
  tried = true;
  try {
    context ??= new AudioContext();
    await context.resume();
  } catch {
    context = null; // a device without sound
  }
  show();
}

async function play(tones, volume) {
  if (muted) return;
  // Somebody who came here by a press may be let play at once. Where not, asking again without a press is useless.
  if (!tried) await Promise.race([start(), new Promise((done) => setTimeout(done, 500))]);
  if (!playing()) return;
  document.dispatchEvent(new CustomEvent("inbox:rang"));
  for (const [frequency, after, length] of tones) {
    const [tone, gain, at] = [context.createOscillator(), context.createGain(), context.currentTime + after];
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(volume, at + 0.02);
    gain.gain.linearRampToValueAtTime(0, at + length);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + length);
  }
}

function show() {
  if (!button) return;
  const state = muted ? "muted" : playing() ? "on" : "blocked";
  const label = { muted: words.soundUnmute, on: words.soundMute, blocked: words.soundStart }[state];
  button.dataset.state = state;
  if (button.textContent !== label) button.textContent = label;
}
