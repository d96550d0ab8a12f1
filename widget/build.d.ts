/** Made by bot/web/assets.py when the modules are put together. `later`: file and integrity of what is loaded later. */
export const BUILD: {
  locales: Record<string, string>;
  light: string;
  dark: string;
  later: Record<string, [string, string]>;
};
/** What the files that are loaded later take from this one. */
export const SHARED: () => Record<string, unknown>;
