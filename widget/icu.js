// @ts-check
/**
 * Wording in the part of ICU MessageFormat that `data/interface` is written in: {name}, {n, plural, …},
 * {x, select, …}, one inside another, # for the number of a plural, and apostrophes that quote ('' and '{…}').
 */

/** @typedef {Record<string, string | number>} Values */
/** @typedef {{name: string, kind: string, cases: Map<string, Part[]>}} Argument  kind: "", "plural", "select" or "#" */
/** @typedef {string | Argument} Part */

const SPACE = /[\s\u200e\u200f]*/y;
const NAME = /[^\s{},#']+/y;
// An apostrophe quotes only before a character that would mean something there; # means something only in a plural.
const [PLAIN, IN_PLURAL] = ["{}", "{}#"].map((special) => ({
  words: new RegExp(`(?:''|'[${special}](?:''|[^'])*'?|[^${special}])+`, "y"),
  quotes: new RegExp(`''|'([${special}](?:''|[^'])*)'?`, "g"),
}));
// Language, script and region of a language tag; Intl throws on some things that may follow.
const TAG = /^[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|\d{3}))?(?=-|$)/i;
// Keep "116 123" in its order, and a foreign name in one piece, within words that run from right to left.
const ISOLATE = ["\u2068", "\u2069"];

/** @param {string} source @returns {Part[]} @throws {SyntaxError} where it is no such message */
function parse(source) {
  let at = 0;

  /** @param {RegExp} pattern @returns {string} what stands here, or "" */
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0] ?? "";
    at += found.length;
    return found;
  };
  /** @param {RegExp} pattern @returns {string} what must stand here, after any spaces */
  const need = (pattern) => {
    take(SPACE);
    const found = take(pattern);
    if (!found) throw new SyntaxError(`${pattern} is missing at ${at}`);
    return found;
  };
  /** @param {string} plural name of the plural whose case this is, or "" @returns {Part[]} */
  const message = (plural) => {
    const { words, quotes } = plural ? IN_PLURAL : PLAIN;
    const parts = [];
    for (;;) {
      const found = take(words);
      if (found) parts.push(found.replace(quotes, (_, inner) => (inner ?? "'").replaceAll("''", "'")));
      else if (plural && take(/#/y)) parts.push({ name: plural, kind: "#", cases: new Map() });
      else if (take(/\{/y)) parts.push(argument());
      else return parts;
    }
  };
  /** @returns {Argument} */
  const argument = () => {
    const name = need(NAME);
    const cases = /** @type {Map<string, Part[]>} */ (new Map());
    take(SPACE);
    if (take(/\}/y)) return { name, kind: "", cases };
    need(/,/y);
    const kind = need(/(?:plural|select)(?![^\s,])/y);
    need(/,/y);
    for (take(SPACE); !take(/\}/y); take(SPACE)) {
      const choice = need(NAME);
      need(/\{/y);
      cases.set(choice, message(kind === "plural" ? name : ""));
      need(/\}/y);
    }
    if (!cases.has("other")) throw new SyntaxError(`${name} has no other`);
    return { name, kind, cases };
  };
  const parts = message("");
  if (at < source.length) throw new SyntaxError(`unexpected ${source[at]} at ${at}`);
  return parts;
}

/**
 * Wording by key with its arguments filled in. A missing key shows nothing rather than a code, a missing value leaves
 * its braces, and a message that cannot be read shows as it is written: nothing here ever throws.
 * @param {Record<string, string>} strings one language of `data/interface`; its `dir` decides how values are set
 * @param {string} locale as in `lang`; English rules where it is no language tag
 * @returns {(key: string, values?: Values) => string}
 */
export function formatter(strings, locale) {
  const known = TAG.exec(locale)?.[0] ?? "en";
  const [numbers, plurals] = [new Intl.NumberFormat(known), new Intl.PluralRules(known)];
  const [before, after] = strings.dir === "rtl" ? ISOLATE : ["", ""];

  /** @param {Part[]} parts @param {Values} values @returns {string} */
  const write = (parts, values) => parts.map((part) => (typeof part === "string" ? part : fill(part, values))).join("");
  /** @param {Argument} part @param {Values} values @returns {string} */
  const fill = ({ name, kind, cases }, values) => {
    const value = Object.hasOwn(values, name) ? values[name] : null;
    const number = Number(value);
    const counts = kind === "plural" || kind === "#";
    if ((value ?? null) === null || (counts && Number.isNaN(number))) return `{${name}}`;
    if (kind === "#") return numbers.format(number);
    if (kind === "") return typeof value === "number" ? numbers.format(value) : before + value + after;
    const exact = cases.get(counts ? `=${number}` : String(value));
    return write(exact ?? cases.get(counts ? plurals.select(number) : "other") ?? cases.get("other") ?? [], values);
  };

  return (key, values = {}) => {
    const source = Object.hasOwn(strings, key) ? String(strings[key]) : "";
    try {
      return write(parse(source), values);
    } catch {
      return source;
    }
  };
}
