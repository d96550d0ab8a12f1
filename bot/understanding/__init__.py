"""Understanding a message without Rasa: spelling, sentence encoder, classifier, decision bands.

Used by the Rasa components in ``bot.nlu``, by the web app (which encodes each message once) and by benchmarks.
"""
