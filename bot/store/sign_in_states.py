"""What can be finished once and soon: invitations, sign-ins between password and code, sign-ins by a provider.

All are rows of ``sign_in_state``. Only a hash of each token is kept, over its kind too: a token of one kind is never
found as another. Of an invitation and of a sign-in by halves `verifier` is the person's id and `nonce` the kind; of a
provider's sign-in they are what OpenID Connect calls so.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.store.models import SignInState
from bot.store.session import now

INVITATION, HALF = "invitation", "half"
# By the clinic's provider; the second one by somebody whose session is locked, who must show themselves anew.
OIDC, OIDC_AGAIN = "oidc", "oidc_again"


def keep(
    session: Session, kind: str, token: str, clinic: str, lifetime: timedelta, *, verifier: str, nonce: str = "",
    then: str = "",
) -> None:
    """Begins one; it can be finished until `lifetime` from now."""
    session.add(
        SignInState(
            state_hash=_hashed(kind, token),
            clinic=clinic,
            nonce=nonce or kind,
            verifier=verifier,
            then=then,
            expires_at=now(session) + lifetime,
        )
    )
    session.flush()


def found(session: Session, kind: str, token: str) -> SignInState | None:
    """The one of this kind and token, if there is still time to finish it."""
    mine = SignInState.state_hash == _hashed(kind, token), SignInState.expires_at > now(session)
    return session.execute(select(SignInState).where(*mine)).scalar_one_or_none()


def take(session: Session, kind: str, token: str) -> SignInState | None:
    """Finishes it: of several at once that ask for the same, one gets it."""
    state = found(session, kind, token)
    if state is None:
        return None
    session.expunge(state)
    gone = delete(SignInState).where(SignInState.state_hash == state.state_hash)
    done = session.execute(gone.execution_options(synchronize_session=False))
    return state if done.rowcount else None


def forget(session: Session, person: str) -> None:
    """Takes away whatever this person could still finish: invitations and sign-ins by halves."""
    mine = SignInState.verifier == person, SignInState.nonce.in_((INVITATION, HALF))
    session.execute(delete(SignInState).where(*mine).execution_options(synchronize_session=False))


def forget_halves(session: Session, person: str) -> None:
    """Takes away the person's sign-ins by halves."""
    mine = SignInState.verifier == person, SignInState.nonce == HALF
    session.execute(delete(SignInState).where(*mine).execution_options(synchronize_session=False))


def _hashed(kind: str, token: str) -> str:
    return hashlib.sha256(f"{kind}:{token}".encode("utf-8", "surrogatepass")).hexdigest()
