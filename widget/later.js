// @ts-check
/** What is rarely used comes in files of its own when it is needed, from where the chat itself came (docs/decisions/011). */

import { BUILD, SHARED } from "./build.js";

/**
 * @typedef {{settings: typeof import("./settings.js"), extras: typeof import("./extras.js"),
 *   pictures: typeof import("./pictures.js")}} Parts
 */

const LONGEST_MS = 20000;
/** @type {Map<string, Promise<any>>} */
const loading = new Map();
let tries = 0;

/**
 * A part with its looks, `styles`; asked for again after a failure it is tried again.
 * @template {keyof Parts} Name
 * @param {Name} name
 * @param {ShadowRoot} root of a chat that is in the page
 * @returns {Promise<Parts[Name] & {styles: string}>}
 * @throws where it cannot be had now
 */
export function later(name, root) {
  const known = loading.get(name);
  if (known) return known;
  const part = load(name, root);
  loading.set(name, part);
  part.catch(() => loading.delete(name));
  return part;
}

/**
 * @param {string} name
 * @param {ShadowRoot} root
 */
async function load(name, root) {
  const [file, integrity] = BUILD.later[name];
  // Browsers remember that an address gave nothing: each further try has an address of its own.
  const url = new URL(file + (tries ? `?${tries}` : ""), import.meta.url).href;
  const late = new Promise((_, reject) => setTimeout(reject, LONGEST_MS));
  try {
    await Promise.race([checked(url, integrity, root), late]);
    const { default: make } = await Promise.race([import(url), late]);
    return make(SHARED());
  } catch (error) {
    tries += 1;
    throw error;
  }
}

/**
 * Fetches a module and checks that it is the one this chat was made with: import() itself knows no hash.
 * @param {string} url
 * @param {string} integrity
 * @param {ShadowRoot} root
 * @returns {Promise<void>} at once where the browser cannot check
 */
function checked(url, integrity, root) {
  const link = document.createElement("link");
  if (!link.relList.supports("modulepreload")) return Promise.resolve();
  Object.assign(link, { rel: "modulepreload", crossOrigin: "anonymous", href: url, integrity });
  return new Promise((/** @type {(value: any) => void} */ resolve, reject) => {
    link.onload = resolve;
    link.onerror = reject;
    root.append(link);
  }).finally(() => link.remove());
}
