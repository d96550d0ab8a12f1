"""Rasa graph components. Thin: the logic is in ``bot.understanding`` and ``bot.safety``. Order matters (config.yml)."""
