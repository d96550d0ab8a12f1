/** What this device remembers: whether it is muted, whether keys are used. Nothing of any patient. */

const PREFIX = "pne-inbox-";

/** What was remembered under `name`; null where nothing was, or where the browser keeps nothing. */
export function remembered(name, store = "localStorage") {
  try {
    return window[store].getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name, value, store = "localStorage") {
  try {
    window[store].setItem(PREFIX + name, value);
  } catch {
    // A private window: it holds for this page alone.
  }
}
