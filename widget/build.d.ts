/** Made by bot/web/assets.py when the modules are put together. */
export const BUILD: { locales: Record<string, string>; light: string; dark: string };
