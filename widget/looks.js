// @ts-check
/** How the chat looks: constructed style sheets, colours by device or by hand, the size of text, and the flare's calm. */

/** @typedef {import("./store.js").Store} Store */

const SIZES = /** @type {Record<string, string>} */ ({ 1: "1rem", 2: "1.3rem", 3: "1.7rem" });
const DARK_DEVICE = "(prefers-color-scheme: dark)";
const SCHEMES = /** @type {Record<string, [string, string]>} */ ({
  auto: ["light dark", DARK_DEVICE],
  light: ["light", "not all"],
  dark: ["dark", "all"],
});
// Every length in rem follows the size of text that is chosen here, also where the page's own size is not ours.
const REM = /(-?(?:\d+\.)?\d+)rem\b/g;

export class Looks {
  /**
   * @param {ShadowRoot} root
   * @param {HTMLElement} element
   * @param {boolean} page whether the page is ours, so that its canvas may take the chat's colours
   * @param {Store} store
   */
  constructor(root, element, page, store) {
    this.root = root;
    this.element = element;
    this.page = page;
    this.store = store;
    this.darkSheets = /** @type {CSSStyleSheet[]} */ ([]);
    this.added = /** @type {Set<string>} */ (new Set());
    this.offered = "auto"; // by the page around; what the person has chosen goes before it
  }

  /**
   * @param {string} light
   * @param {string} dark
   */
  adopt(light, dark) {
    this.root.adoptedStyleSheets = [sheet(scaled(light)), this.dark(dark)];
    if (this.page) document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet(light), this.dark(dark)];
    this.apply();
  }

  /** @param {string} css of a part that was loaded later */
  add(css) {
    if (this.added.has(css)) return;
    this.added.add(css);
    this.root.adoptedStyleSheets = [...this.root.adoptedStyleSheets, sheet(scaled(css))];
  }

  /** @param {string} css */
  dark(css) {
    const made = sheet(css);
    this.darkSheets.push(made);
    return made;
  }

  /** @param {import("./store.js").Preferences} chosen */
  set(chosen) {
    this.store.prefer(chosen);
    this.apply();
  }

  /** @param {string} scheme auto, light or dark, as the page around has it */
  offer(scheme) {
    this.offered = scheme;
    this.apply();
  }

  apply() {
    const [scheme, media] = SCHEMES[this.store.preference("scheme") ?? this.offered] ?? SCHEMES.auto;
    for (const one of this.darkSheets) one.media.mediaText = media;
    this.element.style.colorScheme = scheme;
    if (this.page) document.documentElement.style.colorScheme = scheme;
    this.element.style.setProperty("--rem", SIZES[this.store.preference("size") ?? "1"] ?? SIZES[1]);
    this.element.toggleAttribute("data-flare", this.store.preference("form") === "flare");
  }
}

/**
 * @param {string} css
 * @returns {string}
 */
function scaled(css) {
  return css.replace(REM, "calc($1*var(--rem,1rem))");
}

/**
 * @param {string} css
 * @returns {CSSStyleSheet}
 */
function sheet(css) {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}
