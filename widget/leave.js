// @ts-check
/**
 * Leaving at once, for somebody whose screen may be seen: after the pattern "Exit this page" of the GOV.UK Design System.
 * It imports nothing and asks the server for nothing, so that it works whatever else on the page does not.
 */

const PRESSES = 3;
const WITHIN_MS = 5000;
const KEPT = "pne:"; // every key that this page keeps begins so (transport.js)

/** The page goes blank first: what follows may take a moment. Then it is another page, with no way back to this one. */
export function leave() {
  const away = document.getElementById("leave")?.getAttribute("href") ?? "about:blank";
  document.body.replaceChildren();
  document.title = "";
  window.dispatchEvent(new Event("pne:leave"));
  forget();
  if (window.top !== window) {
    try {
      /** @type {Window} */ (window.top).location.replace(away);
    } catch {
      // the page around this frame may not be left from here: the frame itself is blank
    }
  }
  location.replace(window.top === window ? away : "about:blank");
}

function forget() {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(KEPT)) sessionStorage.removeItem(key);
  } catch {
    // storage refused: nothing was kept
  }
}

/**
 * Shift, pressed alone three times. Shift held for a capital letter or with a click does not count, and starts anew.
 * @param {(left: number) => void} counted how many presses are still missing; PRESSES: given up
 */
function onThreeShifts(counted) {
  let presses = 0;
  let alone = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const anew = () => {
    clearTimeout(timer);
    alone = false;
    if (presses) counted(PRESSES);
    presses = 0;
  };
  addEventListener("keydown", (event) => {
    if (event.key !== "Shift") anew();
    else if (!event.repeat) alone = true;
  }, true);
  addEventListener("pointerdown", anew, true);
  addEventListener("keyup", (event) => {
    if (event.key !== "Shift" || !alone) return;
    alone = false;
    presses += 1;
    clearTimeout(timer);
    if (presses === PRESSES) return leave();
    timer = setTimeout(anew, WITHIN_MS);
    counted(PRESSES - presses);
  }, true);
}

/** @returns {Record<string, string>} */
function words() {
  try {
    return JSON.parse(document.getElementById("strings")?.textContent ?? "{}");
  } catch {
    return {};
  }
}

/** @param {number} left */
function show(left) {
  const t = words();
  const key = ["", "leave_one_more", "leave_two_more", "leave_not"][left];
  const buttons = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".leave"));
  for (const button of buttons) button.dataset.left = left === PRESSES ? "" : String(left);
  const line = document.createElement("p");
  line.textContent = t[key] ?? "";
  document.getElementById("assertive")?.append(line);
  setTimeout(() => line.remove(), 1000);
}

// Also for buttons that come later, with safety words.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest(".leave") : null;
  if (!button) return;
  event.preventDefault();
  leave();
}, true);
onThreeShifts(show);
