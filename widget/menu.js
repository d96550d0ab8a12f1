// @ts-check
/** The menu as a dialog. It opens at once; what stands in it is rarely used and comes from a file of its own. */

import { h, plainButton } from "./dom.js";
import { iconButton } from "./shell.js";

/** @typedef {import("./chat.js").Chat} Chat */

const SAID_AFTER_MS = 500; // what is there sooner needs no word about it

/**
 * Opens the menu as a dialog of its own; closing it gives the focus back to its button, or, where it has asked for a
 * page, to the end of the messages, where that page comes.
 * @param {Chat} chat
 */
export function openMenu(chat) {
  const { t, parts } = chat;
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "menu", "aria-labelledby": "menu-title" }));
  const close = iconButton("close", t("menu_close"), { onclick: () => dialog.close() });
  const title = h("h2", { id: "menu-title", tabindex: "-1" }, t("menu_button"));
  dialog.append(h("div", { class: "menu-top" }, title, close));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue) chat.composer.focusQuietly();
    else parts.menu.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the panel
  });
  parts.app.append(dialog);
  dialog.showModal();
  title.focus(); // not by autofocus, which browsers refuse in a frame of another site
  fill(chat, dialog, title);
}

/**
 * @param {Chat} chat
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement} title
 */
async function fill(chat, dialog, title) {
  const { t } = chat;
  const said = h("p", { class: "hint", role: "status" });
  dialog.append(said);
  const timer = setTimeout(() => (said.textContent = t("connecting")), SAID_AFTER_MS);
  try {
    const { menuParts } = await chat.part("settings");
    dialog.append(...menuParts(chat, (asked) => dialog.close(asked)));
    said.remove();
  } catch {
    const again = plainButton(t("retry_button"), () => {
      said.remove();
      again.remove();
      title.focus();
      fill(chat, dialog, title);
    });
    said.textContent = t("menu_failed");
    dialog.append(again);
  } finally {
    clearTimeout(timer);
  }
}
