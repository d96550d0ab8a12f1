"""Something of every kind that the server can say, and what it tells a patient of what it keeps."""

from __future__ import annotations

from typing import Any

BUTTONS = [{"title": "Why do you say that?", "payload": "/why"}, {"title": "Talk to a person", "payload": "person:ask"}]
DOTS = {
    "src": "/pictures/dots-60.svg",
    "alt": "100 dots, 60 of them filled: 60 of every 100 people around age 50.",
    "caption": "Of 100 people around age 50 with no back pain, 60 have this on a scan.",
}
CALLS = [
    {"label": "Emergency services", "tel": "999"},
    {"label": "NHS 111", "tel": "111"},
    {"label": "Shout", "sms": "85258"},
    {"label": "A web page of the clinic", "url": "https://clinic.example/urgent"},
    {"label": "Your clinic or nurse line"},
]
ITEMS = [
    {
        "id": "use",
        "text": "Was this of use to you?",
        "kind": "scale",
        "min": 0,
        "max": 10,
        "low": "Not at all",
        "high": "Very",
    },
    {
        "id": "found",
        "text": "Did you find what you came for?",
        "kind": "choice",
        "choices": [
            {"value": "yes", "title": "Yes"},
            {"value": "part", "title": "In part"},
            {"value": "no", "title": "No"},
        ],
    },
    {"id": "else", "text": "Is there anything else you want to say?", "kind": "text", "max": 500},
]
FULL = [
    "Pain is made by the nervous system, and it is **always real**.\nIt can go on after tissues have healed.",
    "What can help:\n- moving a little\n- [pacing, on the clinic's page](https://clinic.example/pacing)\n- sleep",
]


def questionnaire(form: str) -> dict[str, Any]:
    return {
        "kind": "questionnaire",
        "skipped": "Skipped",
        "form": form,
        "title": "Three short questions",
        "bubbles": ["Three short questions. You can skip any of them."],
        "items": ITEMS,
        "fallback_text": "Three short questions.",
    }


# What the server can say, by the name of its state.
BODIES: dict[str, dict[str, Any]] = {
    "text": {
        "kind": "text",
        "bubbles": FULL,
        "forms": {
            "full": FULL,
            "plain": ["Pain is real. It can last when the body has healed."],
            "flare": ["Rest. It is real."],
        },
        "buttons": BUTTONS,
        "notes": ["Nervous system: the brain, the spinal cord and the nerves."],
        "picture": DOTS,
        "version": "pain/why_it_persists.v1",
        "answer_id": "pain/why_it_persists",
        "review": "pending",
        "fallback_text": "Pain is made by the nervous system.",
    },
    "safety": {
        "kind": "safety",
        "bubbles": ["Call 999 now.", "Numbness like this needs to be seen **today**.", "Do not drive yourself."],
        "tier": "T1",
        "category": "cauda_equina",
        "answer_id": "safety/RF01",
        "calls": CALLS,
        "leave": True,
        "fallback_text": "Call 999 now.\n\nNumbness like this needs to be seen **today**.",
    },
    "question": {
        "kind": "question",
        "bubbles": ["I want to be sure that you are safe.", "Are you thinking of ending your life?"],
        "lead": "I want to be sure that you are safe.",
        "text": "Are you thinking of ending your life?",
        "category": "RF34",
        "answer_id": "safety/RF34.direct",
        "calls": CALLS[:2],
        "buttons": [
            {"title": title, "payload": f"answer:RF34:{title}"} for title in ("Yes, right now", "Sometimes", "No")
        ],
        "fallback_text": "I want to be sure that you are safe.\n\nAre you thinking of ending your life?",
    },
    **{
        f"handoff_{state}": {
            "kind": "handoff",
            "state": state,
            "at": "10:32",
            "bubbles": [f"{words} If it gets worse, call 999."],
            "answer_id": f"handoff/{state}",
            "fallback_text": words,
        }
        for state, words in {
            "waiting": "The clinic's team was told at 10:32. Nobody has opened it yet.",
            "human": "Dr Lee has joined the chat.",
            "failed": "We could not reach the team. Please phone the clinic.",
            "closed": "Dr Lee has left the chat.",
        }.items()
    },
    "clinician": {
        "kind": "clinician",
        "bubbles": ["Hello, I am Dr Lee. I have read what you wrote."],
        "name": "Dr Lee",
        "role": "Physiotherapist",
        "fallback_text": "Hello, I am Dr Lee.",
    },
    "notice": {
        "kind": "notice",
        "bubbles": ["That is not something I can answer."],
        "buttons": BUTTONS[1:],
        "answer_id": "notice/cannot_answer",
        "fallback_text": "That is not something I can answer.",
    },
    "consent": {
        "kind": "consent",
        "bubbles": ["This is an automatic guide. **It is not for emergencies.**"],
        "version": "earlier",
        "buttons": [{"title": "I have read this. Start", "payload": "consent:earlier"}],
        "fallback_text": "This is an automatic guide. It is not for emergencies.",
    },
    "language_card": {
        "kind": "safety",
        "bubbles": ["هذه المحادثة تفهم الإنجليزية فقط."],
        "answer_id": "language/card",
        "lang": "ar",
        "calls": CALLS[:1],
        "fallback_text": "هذه المحادثة تفهم الإنجليزية فقط.",
    },
    "image": {
        "kind": "image",
        "bubbles": ["This is what a scan shows."],
        "picture": {**DOTS, "long": "Ten rows of ten dots.\n- The first six rows are full."},
        "fallback_text": "60 of 100 dots are full.",
    },
    "card": {
        "kind": "card",
        "title": "A short walk",
        "bubbles": ["Five minutes, as slow as you like."],
        "picture": DOTS,
        "buttons": [{"title": "Tell me more", "payload": "/walk"}],
        "fallback_text": "A short walk",
    },
    "carousel": {
        "kind": "carousel",
        "bubbles": ["Three things to try."],
        "cards": [
            {
                "kind": "card",
                "title": title,
                "bubbles": [words],
                "buttons": [{"title": f"Try {title.lower()}", "payload": f"/{title}"}],
            }
            for title, words in (
                ("Breathing", "Slow, and low."),
                ("Walking", "A little, often."),
                ("Warmth", "As you like it."),
            )
        ],
        "fallback_text": "Three things to try.",
    },
    "accordion": {
        "kind": "accordion",
        "bubbles": ["More about this:"],
        "sections": [
            {"title": "Why does it hurt?", "bubbles": ["Nerves can stay on guard.", "- for weeks\n- for years"]},
            {"title": "Will it stop?", "bubbles": ["It often eases."]},
        ],
        "fallback_text": "More about this.",
    },
    "lesson": {
        "kind": "lesson",
        "step": 2,
        "answer_id": "lesson/2",
        "of": 5,
        "bubbles": ["Hurt does not always mean harm."],
        "buttons": [{"title": "Next step", "payload": "/lesson/3"}],
        "fallback_text": "Hurt does not always mean harm.",
    },
    "scale": {
        "kind": "scale",
        "form": "pain_now",
        "bubbles": ["How is your pain now?"],
        "items": [{**ITEMS[0], "text": "How is your pain now?", "low": "No pain", "high": "Worst pain"}],
        "fallback_text": "How is your pain now, from 0 to 10?",
    },
    "questionnaire": questionnaire("survey"),
    "unknown": {"kind": "hologram", "fallback_text": "Something that this page cannot show yet, in words."},
}
AUTHORS = {
    "notice": "system",
    "consent": "system",
    "clinician": "clinician",
    **{name: "system" for name in BODIES if name.startswith("handoff")},
}
KEPT = {
    "created_at": "2030-01-02T03:04:05Z",
    "facts": [
        {"key": "body_part", "title": "Body part", "value": "low_back", "shown": "low back"},
        {"key": "age", "title": "Age", "value": 52, "shown": "52"},
    ],
    "events": [
        {"seq": 3, "author": "patient", "body": {"kind": "text", "text": "my back hurts when I sit"}},
        {"seq": 4, "author": "bot", "body": {"kind": "text", "bubbles": ["I hear you."]}},
    ],
}
