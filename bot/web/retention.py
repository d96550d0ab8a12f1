"""The hourly look at what has been kept long enough: each conversation is erased on its own, as the patient would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

from bot.content import Clinic
from bot.content.clinics import Retention
from bot.operate import state
from bot.store import retention, rights
from bot.store.conversations import UnknownConversation, locked_conversation
from bot.store.outbox import beat
from bot.store.retention import Kept
from bot.store.session import Database, DatabaseUnavailable
from bot.web.services import Services

log = structlog.get_logger(__name__)
# The chore's name, under which its heartbeat is kept.
RETENTION = "retention"
EVERY = timedelta(hours=1)
AFTER_FAILURE = timedelta(minutes=1)
# Conversations that one look tries at most, the ones that fail among them.
MOST_TRIED = 1_000


def retention_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One look for the worker, which asks every few seconds: works once an hour, and goes on at once while a batch was
    full."""
    last: datetime | None = None

    async def look() -> int:
        nonlocal last
        at = services.db.clock()
        if last is not None and at - last < EVERY:
            return 0
        last = at - EVERY + AFTER_FAILURE  # unless it goes well
        done = await asyncio.to_thread(sweep, services.db, services.clinics, services.settings.tracker_url)
        last = at if done < retention.BATCH else None
        if last is not None:
            await asyncio.to_thread(_note_done, services.db)
        return done

    return look


def sweep(db: Database, clinics: Mapping[str, Clinic], tracker_url: str) -> int:
    """Erases one batch of what is due; says how many conversations. One that cannot be erased stops no other.

    Raises DatabaseUnavailable where a database is away.
    """
    with db.read() as session:
        known, lately = retention.clinics(session), retention.erased_lately(session)
    with db.begin() as session:
        retention.forget_run_out(session)
    for conversation_id in lately:
        rights.erase_dialogue(tracker_url, conversation_id)
    passed: set[str] = set()
    done = 0
    for clinic_id in known:
        kept = kept_by(clinics.get(clinic_id))
        while done < retention.BATCH and len(passed) < MOST_TRIED:
            with db.read() as session:
                due = retention.due(session, clinic_id, kept, retention.BATCH - done, passed)
            if not due:
                break
            passed.update(due)
            done += sum(_forget(db, tracker_url, conversation_id, kept) for conversation_id in due)
    if done:
        rights.clean_files(db)
        log.info("retention", conversations=done)
    return done


def _note_done(db: Database) -> None:
    """That everything due has been looked at, for metrics and readiness: the loop's own heartbeat says only that it
    turns. Raises DatabaseUnavailable."""
    with db.begin() as session:
        beat(session, state.RETENTION)


def kept_by(clinic: Clinic | None) -> Kept:
    """How long a clinic keeps; the defaults for one that is gone from ``data/clinics``."""
    said = clinic.retention if clinic is not None else Retention()
    return Kept(timedelta(days=said.conversation_days), timedelta(days=said.unaccepted_days))


def _forget(db: Database, tracker_url: str, conversation_id: str, kept: Kept) -> bool:
    """One conversation in a transaction of its own. False where somebody has written meanwhile, or it failed.

    Raises DatabaseUnavailable: then the others would fail too.
    """
    try:
        with db.begin() as session:
            locked_conversation(session, conversation_id)
            how = retention.how_due(session, conversation_id, kept)
            if how is None:
                return False
            if how == retention.REMOVE:
                rights.remove(session, conversation_id)
            else:
                rights.erase(session, conversation_id, rights.BY_TIME)
            rights.erase_dialogue(tracker_url, conversation_id)
        return True
    except (UnknownConversation, rights.OpenHandoff):  # somebody was first
        return False
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.error("not_forgotten", conversation=conversation_id, cause=type(error).__name__)
        return False
