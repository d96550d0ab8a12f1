"""The web app (Starlette): patient API, pages, clinician inbox. It screens every message before anything else.

- ``app``        the factory: routes, middleware, what lives as long as the process
- ``services``   what request handlers share
- ``patient``    the patient API (docs/api.md)
- ``rights``     the patient's own data: see, erase, feedback
- ``turns``      what happens with one message: screen, record, safety words, handoff, then Rasa
- ``plan``       the decision in the middle of a turn, pure
- ``bodies``     event bodies made from curated wording
- ``assistant``  the line to Rasa
- ``stream``     fan-out of new events, SSE
- ``pages``      chat page, demo page, health
- ``inbox``      clinician inbox; ``auth`` its sign-in
"""
