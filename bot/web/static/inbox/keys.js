/**
 * Single keys: j and k (or the arrows, on a row) move along the rows, ? lists the keys, / goes to the search, and a
 * [data-key] presses or enters what carries it: first in the row that has the focus, then on the page. Never while
 * somebody types; can be switched off, which this device remembers (WCAG 2.1.4).
 */

import { remember, remembered } from "./device.js";

const FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const dialog = document.getElementById("keys");
const use = document.getElementById("keys-use");

export function offerKeys() {
  if (!dialog) return;
  use.checked = remembered("keys") !== "no";
  use.addEventListener("change", () => remember("keys", use.checked ? "yes" : "no"));
  document.getElementById("keys-open")?.addEventListener("click", help);
  document.addEventListener("keydown", onKey);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!use.checked || event.target.closest(FIELDS) || document.querySelector("dialog[open]")) return;
  if (act(event.key, event.target.closest(".row"))) event.preventDefault();
}

function act(key, row) {
  const keyed = key.length === 1 && find(`[data-key="${CSS.escape(key)}"]`, row);
  if (keyed) return press(keyed);
  if (key === "j" || (key === "ArrowDown" && row)) return move(row, 1);
  if (key === "k" || (key === "ArrowUp" && row)) return move(row, -1);
  if (key === "/") return press(document.getElementById("nav_search"));
  return key === "?" && help();
}

/** In the row; outside of rows only what belongs to no row: t must never take a row that nobody has chosen. */
function find(css, row) {
  return row?.querySelector(css) ?? [...document.querySelectorAll(css)].find((node) => !node.closest(".row"));
}

function press(node) {
  if (!node) return false;
  if (node.matches(FIELDS)) node.focus();
  else node.click();
  return true;
}

function move(row, by) {
  const links = [...document.querySelectorAll(".row h3 a")];
  const here = row ? links.findIndex((link) => row.contains(link)) : -1;
  const next = links[here < 0 ? (by > 0 ? 0 : links.length - 1) : here + by];
  next?.focus();
  return Boolean(next);
}

/** The list of keys, with those that this page has of its own (data-key with data-key-label). */
function help() {
  const list = document.getElementById("keys-list");
  for (const own of list.querySelectorAll(".own")) own.remove();
  for (const node of document.querySelectorAll("[data-key][data-key-label]")) {
    const [line, term, about, key] = ["div", "dt", "dd", "kbd"].map((name) => document.createElement(name));
    line.className = "own";
    key.textContent = node.dataset.key;
    about.textContent = node.dataset.keyLabel;
    term.append(key);
    line.append(term, about);
    list.append(line);
  }
  dialog.showModal();
  return true;
}
