"""The Rasa side of the web app's line: the one channel, and the store of the dialogue's state.

Import these only after `bot.rasa_light.activate`; Rasa loads them by the names in ``credentials.yml`` and
``endpoints.yml``.
"""
