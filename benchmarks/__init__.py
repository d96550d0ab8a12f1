"""This assistant beside stock Rasa, measured in one run on one machine. See README.md; run ``make bench``."""
