/** Desktop notices, where the person has asked for them. They name the tier alone: whoever walks by may read them. */

import { remember, remembered } from "./device.js";

const button = document.getElementById("notices");
const can = "Notification" in window;
let words;
let wanted = remembered("notices") === "yes";

export function offerNotices(labels) {
  words = labels;
  if (!button || !can || Notification.permission === "denied") return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    wanted = on() ? false : (await Notification.requestPermission()) === "granted";
    remember("notices", wanted ? "yes" : "no");
    show();
  });
  show();
}

/** A notice, where nobody looks at this page. */
export function notice(text, tag) {
  if (!on() || document.hasFocus()) return;
  try {
    const made = new Notification(text, { tag, icon: "/static/logo.svg" });
    made.addEventListener("click", () => {
      window.focus();
      made.close();
    });
  } catch {
    // Some phones have notices only for installed pages.
  }
}

function on() {
  return can && wanted && Notification.permission === "granted";
}

function show() {
  button.textContent = on() ? words.noticesStop : words.noticesStart;
}
