/** Made by bot/web/assets.py: the loader's few words, by language. */
export const LABELS: Record<string, Record<string, string>>;
