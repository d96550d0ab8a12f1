/**
 * What only an item's page needs: what the tutor noted comes after the page, a ready reply goes into the box without a
 * request, and both sides see that the other one writes. Without this script plain links and forms do it all but the
 * last.
 */

const EVERY_MS = 3000;
const SHOWN_MS = 6000;
let wroteAt = 0;
let hiding = 0;

document.addEventListener("click", onClick);
document.addEventListener("input", onInput);
document.addEventListener("inbox:typing", onTyping);
loadNoted();

/** What the dialogue has noted: it may take a while, so the page is there first. */
async function loadNoted() {
  const part = document.getElementById("noted");
  if (!part) return;
  const waiting = part.querySelector("[role=status]");
  try {
    const response = await fetch(part.dataset.noted, { cache: "no-store", redirect: "error" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const read = page.getElementById("noted-read");
    if (!response.ok || !read) throw new Error("no notes");
    waiting.replaceWith(document.importNode(read, true));
  } catch {
    waiting.textContent = part.dataset.failed;
  }
}

function onClick(event) {
  if (!event.target.closest("#canned-put")) return;
  event.preventDefault();
  const reply = document.getElementById("reply");
  const list = document.getElementById("canned");
  const text = list.selectedOptions[0].dataset.text;
  if (!text) return list.focus();
  reply.value = reply.value.trim() ? `${reply.value.trimEnd()}\n\n${text}` : text;
  list.value = "";
  reply.focus();
  reply.setSelectionRange(reply.value.length, reply.value.length);
  tellWriting(reply);
}

function onInput(event) {
  if (event.target.id === "reply") tellWriting(event.target);
}

/** The person sees that somebody is writing to them, not what. Nothing depends on it, so nothing is said if it fails. */
function tellWriting(reply) {
  if (!reply.value.trim() || Date.now() - wroteAt < EVERY_MS) return;
  wroteAt = Date.now();
  const body = new URLSearchParams({ csrf: reply.form.elements.csrf.value });
  fetch(reply.form.dataset.typing, { method: "POST", body }).catch(() => {});
}

function onTyping(event) {
  if (!event.detail || event.detail.by !== "patient") return;
  const sign = document.getElementById("writing");
  if (!sign.textContent) sign.textContent = sign.dataset.words;
  clearTimeout(hiding);
  hiding = setTimeout(() => (sign.textContent = ""), SHOWN_MS);
}
