/**
 * The lock: the server locks a sign-in that nobody has used for a while. A minute before, this page says so. Whoever
 * types or presses is there, so the server is told (at most once a minute), by one tab for all.
 */

const WARN_SECONDS = 60;
const TELL_MS = 60_000;
const dialog = document.getElementById("idle");
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("pne-inbox") : null;
let timer = 0;
let told = Date.now();

/** `seconds` until the lock, `csrf` for telling the server, `locked` when it is time. */
export function watchIdle(seconds, csrf, locked) {
  if (!dialog || !(seconds > 0)) return;
  const begin = (left) => {
    clearTimeout(timer);
    told = Date.now();
    if (dialog.open) dialog.close();
    timer = setTimeout(() => {
      dialog.showModal();
      timer = setTimeout(locked, Math.min(left, WARN_SECONDS) * 1000);
    }, Math.max(0, left - WARN_SECONDS) * 1000);
  };
  const stay = async () => {
    told = Date.now();
    const body = new URLSearchParams({ csrf });
    try {
      const response = await fetch("/inbox/stay", { method: "POST", body, redirect: "error" });
      if (response.status === 401 || response.status === 403) return locked();
      if (!response.ok) return;
      const { idle_seconds: left } = await response.json();
      begin(left);
      tabs?.postMessage(left);
    } catch {
      // The warning comes in its time.
    }
  };
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, () => dialog.open || Date.now() - told < TELL_MS || stay());
  }
  dialog.addEventListener("close", stay);
  tabs?.addEventListener("message", (event) => begin(event.data));
  begin(seconds);
}
