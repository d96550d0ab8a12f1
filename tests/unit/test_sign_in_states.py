"""What can be finished once and soon: invitations, sign-ins by halves, sign-ins by a provider."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.store import sign_in_states
from bot.store.models import SignInState
from bot.store.retention import forget_run_out
from bot.store.session import Database
from bot.store.sign_in_states import HALF, INVITATION, OIDC, OIDC_AGAIN
from tests.support.database import CLINIC, HandClock

KINDS = (INVITATION, HALF, OIDC, OIDC_AGAIN)
HOUR = timedelta(hours=1)


def keep(db: Database, kind: str, token: str = "token", person: str = "lee") -> None:
    with db.begin() as session:
        sign_in_states.keep(session, kind, token, CLINIC, HOUR, verifier=person, then="/inbox/me")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_under_its_own_kind_and_finished_once(kind: str, db: Database) -> None:
    keep(db, kind)
    with db.begin() as session:
        assert [sign_in_states.found(session, other, "token") is not None for other in KINDS] == [
            other == kind for other in KINDS
        ]
        assert sign_in_states.take(session, kind, "another token") is None
        taken = sign_in_states.take(session, kind, "token")
        assert taken is not None and (taken.verifier, taken.then, taken.clinic) == ("lee", "/inbox/me", CLINIC)
    with db.begin() as session:
        assert sign_in_states.take(session, kind, "token") is None


def test_the_token_is_not_kept(db: Database) -> None:
    keep(db, HALF, "a-very-secret-token")
    with db.read() as session:
        assert "secret" not in str(vars(session.query(SignInState).one()))


def test_it_runs_out_and_is_forgotten(db: Database, clock: HandClock) -> None:
    keep(db, HALF)
    clock.move(minutes=59, seconds=59)
    with db.begin() as session:
        assert forget_run_out(session) == 0
        assert sign_in_states.found(session, HALF, "token") is not None
    clock.move(seconds=1)
    with db.begin() as session:
        assert sign_in_states.found(session, HALF, "token") is None
        assert sign_in_states.take(session, HALF, "token") is None
        assert forget_run_out(session) == 1
        assert session.query(SignInState).count() == 0


def test_what_a_person_could_still_finish_is_taken_away(db: Database) -> None:
    for kind in KINDS:
        keep(db, kind, f"lee {kind}")
        keep(db, kind, f"kim {kind}", "kim")
    with db.begin() as session:
        sign_in_states.forget_halves(session, "lee")
        assert sign_in_states.found(session, HALF, f"lee {HALF}") is None
        assert sign_in_states.found(session, INVITATION, f"lee {INVITATION}") is not None
        sign_in_states.forget(session, "lee")
        assert sign_in_states.found(session, INVITATION, f"lee {INVITATION}") is None
        assert session.query(SignInState).count() == 6
