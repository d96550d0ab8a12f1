// @ts-check
/**
 * What works before the chat does and where it never comes: leaving at once, for somebody whose screen may be seen (after
 * the pattern "Exit this page" of the GOV.UK Design System), and the looks of the numbers to call that stand in the page.
 * It imports nothing and asks the server for nothing, so that it works whatever else on the page does not.
 */

const PRESSES = 3;
const WITHIN_MS = 5000;
const KEPT = "pne:"; // every key that this page keeps begins so (store.js)
// Shown after a moment only, so that it does not flash up where the chat comes at once.
const LOOKS_BEFORE = `
  .chat-page { margin: 0; font: 1.0625rem/1.6 system-ui, sans-serif; }
  pne-chat > * { animation: pne-shown 0s 0.7s both; }
  @keyframes pne-shown { from { visibility: hidden; } to { visibility: visible; } }
  .pne-before { max-width: 34rem; margin: 0 auto; padding: 1rem; }
  .pne-before li { margin-block: 0.5rem; }
  .pne-before a { display: inline-block; min-height: 2.75rem; line-height: 2.75rem; }
`;

/**
 * The page goes blank first: what follows may take a moment. Then it is another page, with no way back to this one.
 * @param {string | null} [href] where to; by default where the page says
 */
function leave(href) {
  const asked = href ?? document.querySelector("[data-exit]")?.getAttribute("data-exit") ?? "";
  const away = asked.startsWith("https://") ? asked : "about:blank";
  document.body.replaceChildren();
  document.title = "";
  window.dispatchEvent(new Event("pne:leave"));
  forget();
  // The page around this frame leaves too, if it shows our loader or lets itself be left from here.
  if (window.parent !== window) {
    window.parent.postMessage({ pne: 1, type: "leave", url: away }, "*");
    try {
      /** @type {Window} */ (window.top).location.replace(away);
    } catch {
      // a sandbox forbids it: the frame itself is blank
    }
  }
  location.replace(window.top === window ? away : "about:blank");
}

function forget() {
  for (const kind of ["sessionStorage", "localStorage"]) {
    try {
      const kept = /** @type {Storage} */ (/** @type {any} */ (window)[kind]);
      for (const key of Object.keys(kept)) if (key.startsWith(KEPT)) kept.removeItem(key);
    } catch {
      // storage refused: nothing was kept
    }
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

/**
 * Tells the chat to say and show how far the pressing has come. Where there is no chat, leaving works in silence.
 * @param {number} left presses still missing; PRESSES: given up
 */
function show(left) {
  window.dispatchEvent(new CustomEvent("pne:shift", { detail: { left, of: PRESSES } }));
}

/** The looks of the numbers that stand in the page until the chat is there, and for good where it never comes. */
function dress() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(LOOKS_BEFORE);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

// Also for buttons that come later, with safety words.
document.addEventListener("click", (event) => {
  // Inside a shadow root the target is told as its host: the path has the button itself.
  const path = event.composedPath();
  const inside = path.find((node) => node instanceof Element && node.matches(".leave"));
  // Only the chat's own: a clinic's page around the chat may have a class of this name for something else.
  if (!(inside instanceof Element) || !path.some((node) => node instanceof Element && node.localName === "pne-chat")) return;
  event.preventDefault();
  leave(inside.getAttribute("href"));
}, true);
onThreeShifts(show);
dress();
