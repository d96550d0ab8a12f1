"""A tracker store that does not lose turns.

Rasa's own `SQLTrackerStore` ends the whole server over one odd conversation id, drops the turn after a
database restart in silence, falls back to memory where the database is away, and counts all old rows at every
save. This one keeps its table and its queries, and changes how it fails: it refuses to start without its
database, tries each pooled connection before using it, gives up after seconds, never saves over a
conversation that it could not read, and reports every failure to the turn (`bot.channels.turn`), for which
the channel answers 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore, create_engine_kwargs
from rasa.core.tracker_store import TrackerStore as RasaTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event, SessionStarted
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.orm import Session, sessionmaker

from bot.channels import checkpoints
from bot.channels.turn import report_trouble

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_S = 3
OPERATION_LIMIT_S = 6.0
"""The longest that one read or save may hold up its turn, whatever the database does."""
SENDER_LIMIT = 255
READING = "reading"
NOT_SAVED = "tracker_not_saved"
NOT_READ = "tracker_not_read"

# What of a tracker is in the table (`Kept`), kept on the tracker itself from read to save.
_KEPT = "pne_kept"
_UNREADABLE = -1
Result = TypeVar("Result")

_EVENTS = SQLTrackerStore.SQLEvent.__table__
# Made once: to put a statement together takes longer than SQLite takes to answer it.
_ROWS = (
    sa.select(_EVENTS.c.id, _EVENTS.c.type_name, _EVENTS.c.data)
    .where(_EVENTS.c.sender_id == sa.bindparam("sender"))
    .order_by(_EVENTS.c.id)
)
_AFTER = _ROWS.where(_EVENTS.c.id > sa.bindparam("id"))
_SESSION_START = (
    sa.select(sa.func.max(_EVENTS.c.id))
    .where(_EVENTS.c.sender_id == sa.bindparam("sender"), _EVENTS.c.type_name == SessionStarted.type_name)
    .scalar_subquery()
)
_SESSION = _ROWS.where(_EVENTS.c.id >= sa.func.coalesce(_SESSION_START, 0))
_CHECKPOINT = sa.select(checkpoints.TABLE).where(checkpoints.TABLE.c.sender_id == sa.bindparam("sender"))


def make_engine(url: str) -> Engine:
    """Build the engine for a tracker database: ``sqlite:///...`` or ``postgresql://...``.

    Statement parameters are kept out of error texts, because they are what patients wrote. Raises
    `RasaException` for an address that cannot be used.
    """
    try:
        parsed = make_url(url)
        options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True, "future": True}
        if parsed.get_backend_name() == "sqlite":
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # Closing the last connection would fold the write-ahead log back into the file after every turn.
            options["poolclass"] = sa.pool.QueuePool
            options["connect_args"] = {"timeout": STATEMENT_TIMEOUT_S, "check_same_thread": False}
        elif parsed.get_backend_name() == "postgresql":
            options |= create_engine_kwargs(parsed) | {"pool_timeout": CONNECT_TIMEOUT_S}
            connect = options.setdefault("connect_args", {})
            connect["connect_timeout"] = CONNECT_TIMEOUT_S
            timeouts = f"-cstatement_timeout={STATEMENT_TIMEOUT_S * 1000}"
            connect["options"] = f"{connect.get('options', '')} {timeouts}".strip()
        engine = sa.create_engine(parsed, **options)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, OSError, TypeError) as error:
        raise RasaException(f"The tracker database address cannot be used: {type(error).__name__}") from None
    if parsed.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # A write-ahead log lets a read and a save of different conversations happen together.
    connection.execute(f"PRAGMA busy_timeout={STATEMENT_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten in the file


def usable_sender(sender_id: str) -> bool:
    """Tell whether a conversation id fits the table: 1 to 255 characters, storable as text."""
    if not 0 < len(sender_id) <= SENDER_LIMIT or "\x00" in sender_id:
        return False
    with contextlib.suppress(UnicodeEncodeError):
        sender_id.encode("utf-8")
        return True
    return False


@lru_cache(maxsize=256)
def _event_class(name: str) -> type[Event] | None:
    # Rasa walks all subclasses of Event for every stored event; the walk gives the same answer each time.
    return Event.resolve_by_type(name)


def read_events(rows: Iterable[str]) -> list[Event]:
    """Turn stored rows into events, as Rasa's ``deserialise_events`` does, resolving each type once."""
    events = []
    for row in rows:
        data = json.loads(row)
        event_class = _event_class(data["event"])
        event = event_class._from_parameters(data) if event_class else None
        if event:
            events.append(event)
    return events


def stored_form(event: Event) -> dict[str, Any]:
    """Return what is written of an event: all but the message's reading, whose vectors can be made again.

    Rasa keeps a message's metadata in three places: with the message, with its parse and in a slot.
    """
    data = event.as_dict()
    for key in {"metadata", "value"} & data.keys():
        data[key] = _without_reading(data[key])
    parsed = data.get("parse_data")
    if isinstance(parsed, dict) and "metadata" in parsed:
        data["parse_data"] = {**parsed, "metadata": _without_reading(parsed["metadata"])}
    return data


def _without_reading(held: Any) -> Any:
    return (
        {name: value for name, value in held.items() if name != READING} if isinstance(held, dict) else held
    )


@dataclass(frozen=True)
class Kept:
    """How many of a tracker's events are stored, counted with the `opening` that stands for a checkpoint; and the ids
    of those after it, as far as they are known."""

    stored: int
    opening: int = 0
    ids: tuple[int, ...] = ()


class Refused(Exception):
    """The store declines to touch a conversation; the message is a fixed sentence."""


class TrackerStore(SQLTrackerStore):
    """The dialogue state of every conversation in one SQL table, ``events``, as in Rasa's own SQL store, with the place
    from which a long one is read (`bot.channels.checkpoints`)."""

    def __init__(
        self,
        domain: Domain | None = None,
        db: str = "",
        event_broker: EventBroker | None = None,
        host: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect and make the table. `db` is an SQLAlchemy address; `host` is Rasa's name for ``url:``.

        Raises `RasaException` where the database cannot be reached, written or has another ``events`` table.
        Rasa would go on in memory after an ImportError or AttributeError, so no other kind leaves here.
        """
        url = db or host or ""
        if "://" not in url and not url.startswith("sqlite:"):
            raise RasaException("endpoints.yml: tracker_store needs db, such as sqlite:///var/tracker.db")
        self.engine = make_engine(url)
        self.sessionmaker = sessionmaker(bind=self.engine, future=True)
        try:
            for tables in (self.Base.metadata, checkpoints.metadata):
                # Another Rasa that starts at the same moment may be first; the check tells whether they are there.
                with contextlib.suppress(sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.OperationalError):
                    tables.create_all(self.engine)
            self.check()
        except Exception as error:
            raise RasaException(f"The tracker database cannot be used: {_cause(error)}") from None
        RasaTrackerStore.__init__(self, domain, event_broker)

    def check(self) -> None:
        """Read from the events table, naming every column. Raises what the database raises."""
        with self.session_scope() as session:
            session.execute(sa.select(self.SQLEvent).limit(1)).first()
            session.execute(sa.select(checkpoints.TABLE).limit(1)).first()

    @contextlib.contextmanager
    def session_scope(self) -> Generator[Session, None, None]:
        """Give a session and close it. Unlike Rasa's, it leaves the process alive whatever is raised."""
        with self.sessionmaker() as session:
            yield session

    async def healthy(self) -> bool:
        """Tell whether the events table can be read now, within `OPERATION_LIMIT_S`."""
        try:
            await _in_thread(self.check)
        except Exception as error:
            logger.error("The tracker database cannot be read: %s", _cause(error))
            return False
        return True

    async def keys(self) -> Iterable[str]:
        """Return every conversation id."""

        def read() -> Sequence[str]:
            with self.session_scope() as session:
                return list(session.execute(sa.select(self.SQLEvent.sender_id).distinct()).scalars())

        return await _in_thread(read)

    async def _retrieve(
        self, sender_id: str, fetch_events_from_all_sessions: bool
    ) -> DialogueStateTracker | None:
        """Return the conversation, None for a new one, and an empty one that is never saved if reading fails.

        The turn goes on after a failed read so that what must happen whatever the database does, such as
        passing on a red flag from ``rasa shell``, still happens.
        """

        try:
            if not usable_sender(sender_id):
                raise Refused("the conversation id cannot be stored")
            before, rows = await _in_thread(lambda: self._read(sender_id, fetch_events_from_all_sessions))
            if not rows:
                return None
            opening = before.events() if before is not None else []
            events = [*opening, *read_events(row.data for row in rows)]
            tracker = DialogueStateTracker.from_events(sender_id, events, self.domain.slots)
        except Exception as error:
            logger.error("A conversation could not be read: %s", _cause(error))
            report_trouble(NOT_READ)
            tracker = self.init_tracker(sender_id)
            _remember(tracker, Kept(_UNREADABLE))
            return tracker
        checkpoints.begin_with(tracker, before)
        _remember(tracker, Kept(len(events), len(opening), tuple(row.id for row in rows)))
        return tracker

    def _read(self, sender_id: str, everything: bool) -> tuple[checkpoints.Before | None, Sequence[Any]]:
        """What was before, if that is kept, and the stored events (id, type_name, data) to begin with.

        By their ids, as they were written: a clock that is put back must not hide what came after.
        """
        with self.session_scope() as session:
            if everything:
                return None, session.execute(_AFTER, {"sender": sender_id, "id": -1}).all()
            kept = session.execute(_CHECKPOINT, {"sender": sender_id}).first()
            if kept is None:
                return None, session.execute(_SESSION, {"sender": sender_id}).all()
            rows = session.execute(_AFTER, {"sender": sender_id, "id": kept.event_id}).all()
        started = [place for place, row in enumerate(rows) if row.type_name == SessionStarted.type_name]
        return (None, rows[started[-1]:]) if started else (checkpoints.loads(kept.state), rows)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Write the events that are not stored yet, all or none. A failure is reported, never raised.

        Rasa would answer an exception by keeping the conversation in memory, where nothing reads it again.
        """
        try:
            if not usable_sender(tracker.sender_id):
                raise Refused("the conversation id cannot be stored")
            known = _remembered(tracker)
            if known is not None and known.stored == _UNREADABLE:
                raise Refused("it could not be read when the turn began")
            await self.stream_events(tracker)
            stored = await _in_thread(lambda: self._write(tracker, known))
        except Exception as error:
            logger.error("A turn could not be saved: %s", _cause(error))
            report_trouble(NOT_SAVED)
            return
        _remember(tracker, stored)

    def _write(self, tracker: DialogueStateTracker, known: Kept | None) -> Kept:
        events = list(tracker.events)
        with self.session_scope() as session:
            if known is None:
                # A tracker that this store did not read: made new, or handed in by Rasa's own tools.
                query = self._event_query(session, tracker.sender_id, fetch_events_from_all_sessions=False)
                known = Kept(query.count())
            rows = [self._row(tracker.sender_id, event) for event in events[known.stored :]]
            if rows:
                session.execute(sa.insert(self.SQLEvent), rows)
                self._move_checkpoint(session, tracker, known)
                session.commit()
        return Kept(len(events), known.opening, known.ids)

    def _move_checkpoint(self, session: Session, tracker: DialogueStateTracker, known: Kept) -> None:
        found = checkpoints.next_checkpoint(tracker, known.opening, known.ids, self.domain)
        if found is not None:
            event_id, before = found
            mine = checkpoints.TABLE.c.sender_id == tracker.sender_id
            session.execute(checkpoints.TABLE.delete().where(mine))
            values = {"sender_id": tracker.sender_id, "event_id": event_id, "state": before.dumps()}
            session.execute(checkpoints.TABLE.insert().values(values))

    @staticmethod
    def _row(sender_id: str, event: Event) -> dict[str, Any]:
        data = stored_form(event)
        return {
            "sender_id": sender_id,
            "type_name": event.type_name,
            "timestamp": data.get("timestamp"),
            "intent_name": (data.get("parse_data") or {}).get("intent", {}).get("name"),
            "action_name": data.get("name"),
            "data": json.dumps(data),
        }


async def _in_thread(work: Callable[[], Result]) -> Result:
    # A database that hangs must hold up its own conversation only, not the event loop of everyone.
    return await asyncio.wait_for(asyncio.to_thread(work), OPERATION_LIMIT_S)


def _remember(tracker: DialogueStateTracker, kept: Kept) -> None:
    setattr(tracker, _KEPT, kept)


def _remembered(tracker: DialogueStateTracker) -> Kept | None:
    return getattr(tracker, _KEPT, None)


def _cause(error: BaseException) -> str:
    """Name an error without the words it carries, which may be a patient's; only ours are fixed."""
    if isinstance(error, Refused):
        return str(error)
    origin = getattr(error, "orig", None)
    return type(error).__name__ + (f" ({type(origin).__name__})" if origin is not None else "")
