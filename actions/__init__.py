"""Custom actions: one feature per file, thin. Logic is in ``bot``; rasa_sdk imports every module below this folder."""
