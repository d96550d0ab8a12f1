"""PNE Tutor: a pain education chat for clinics.

The packages, and what each may import (tests/unit/test_imports.py enforces it):

- ``safety``         text in, red-flag findings out. Pure: spaCy, and numpy for the soft layer.
- ``content``        loads, types and checks everything under ``data/``. Pure.
- ``understanding``  spelling, sentence encoder, classifier, decision bands. Pure: no Rasa, no database.
- ``tutor``          lessons, alarm map, plan, beliefs, scan words, measures: what comes next, from a journal. Pure.
- ``nlu``            Rasa graph components, thin, over ``safety`` and ``understanding``.
- ``channels``       the Rasa side of the web app's line: channel, tracker store, responses.
- ``store``          SQLAlchemy models, queries by subject, migrations. Knows nothing above it.
- ``handoff``        a handoff's life and its chain of contacts; outbox worker, e-mail, webhook, FHIR.
- ``web``            Starlette: patient API and pages; ``web.inbox`` the clinic's pages, ``web.people`` signing in.
- ``operate``        how an installation stands, backup and restore, ``pne doctor``.
- ``live_clinics``   the clinics' files with what their admins have changed, as they are now.
- ``rasa_light``     our entry to everything Rasa, without TensorFlow.
- ``settings``       one typed settings object from the environment.
- ``screening``      ``safety`` as our processes use it: the rules and the trained soft layer with its encoder.
- ``training``       trains the models when what they are made of has changed.
- ``safety_card*``   counts what the screening catches and misses on the labelled messages (``pne safety-card``).
- ``processes``      starts and watches the parts (``pne up``).
- ``outage``         the pages that a proxy shows while no web process answers (``pne outage-pages``).
- ``cli``, ``cli_*``  the ``pne`` command, a file for each of its subjects.

``safety``, ``content``, ``understanding`` and ``tutor`` import neither Rasa nor SQLAlchemy nor Starlette;
only ``nlu``, ``channels`` and ``rasa_light`` import rasa; only ``actions/`` imports rasa_sdk;
nothing imports ``actions`` or ``cli``.
"""
