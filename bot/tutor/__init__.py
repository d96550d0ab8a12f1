"""The tutor: lessons, the alarm map, the plan, beliefs, scan words, measures, the visit's summary. Pure.

What a person has done here is a *journal* (``journal.py``): short entries in order, kept by the caller. Everything else
is read off it, so there is nothing to keep in step, and what is taken out of the journal is forgotten for good.

An *area* (``areas.py``) is a module with some of these functions. They get a `Moment` and give an `Outcome`: what is
said and what is noted. No area knows of a database, of Rasa or of the web; time comes in with the moment.

- ``open(moment)``                       its button or its name was pressed, from anywhere
- ``press(moment, verb, args)``          one of its own buttons
- ``words(moment, about, text)``         words typed where it had asked for some; None: they were about something else
- ``filled(moment, form, answers)``      its questionnaire was sent
- ``due(moment)``                        the person has come back: what it would offer today, or None
- ``heard(moment, text, answer_id)``     something was typed, and this answer was given: what it would add, or None
- ``before(moment, text, answer_id)``    the same, put in front of the answer, which follows when that is answered
- ``back(moment)``                       the button that leads back to what is under way, or None
- ``paper(moment)``                      the page to print or take along, or None (``papers.py``)

Wording is in ``data/tutor/<area>.yml``, lessons in ``data/lessons``, pictures in ``data/visuals``.
"""
