"""What is bound to one clinic sees and changes that clinic's rows alone: every table, every kind of statement."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, delete, exists, func, insert, inspect, literal_column, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SAWarning
from sqlalchemy.orm import aliased
from sqlalchemy.orm.exc import StaleDataError

import bot.web.inbox
from bot.handoff import steps
from bot.handoff.states import NotAllowed
from bot.store import audit, tenant
from bot.store.conversations import locked_conversation
from bot.store.models import (
    Audit,
    ClinicSetting,
    Conversation,
    Document,
    Event,
    Handoff,
    Heartbeat,
    Note,
    Outbox,
    UtcTime,
)
from bot.store.session import Database, insert_once
from tests.support.database import HandClock, add_person, at_once, new_conversation, raise_one, sqlite_database
from tests.support.planted import MODELS, Planted, plant, rows_of

KEPT_APART = sorted(name for name, how in tenant.tables().items() if how != "shared")
# The audit is changed by nobody at all: the database refuses it.
CHANGEABLE = [name for name in KEPT_APART if name != "audit"]


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return sqlite_database(tmp_path, HandClock())


@pytest.fixture
def ours(db: Database) -> Planted:
    return plant(db, "ours", "qx1ours")


@pytest.fixture
def theirs(db: Database) -> Planted:
    return plant(db, "theirs", "qx7theirs")


@pytest.fixture
def mine(db: Database, ours: Planted, theirs: Planted) -> Database:
    return db.of("ours")


def key_of(model: Any, row: Any) -> tuple[Any, ...]:
    return tuple(inspect(row).identity)


def copy_of(db: Database, model: Any, key: tuple[Any, ...], number: int = 1) -> Any:
    """A new row like another: the same values under another key."""
    with db.read() as session:
        row = session.get(model, key)
        values = {column.key: getattr(row, column.key) for column in model.__table__.columns}
    for column in model.__table__.columns:
        if column.key == "clinic" or column.foreign_keys:
            continue
        unique = column.primary_key or column.unique or column.key in ("client_id", "oidc_issuer", "message_key")
        if unique and isinstance(values[column.key], str):
            values[column.key] += f"-{number}"
        elif unique or (column.key == "seq" and model is Audit):
            values[column.key] = (values[column.key] or 0) + 100 + number
    if model is Handoff:
        values["category"] = f"another-{number}"
    return model(**values)


def some_column(model: Any) -> Any:
    """A column that says neither whose a row is nor which it is; of a table without one, the last of its key."""
    plain = [c for c in model.__table__.columns if not c.primary_key and not c.foreign_keys and c.key != "clinic"]
    return plain[-1] if plain else list(model.__table__.columns)[-1]


def another_value(column: Any) -> Any:
    if isinstance(column.type, UtcTime):
        return datetime(2031, 1, 1, tzinfo=timezone.utc)
    return {"other": "words"} if isinstance(column.type, Document) else 77 if isinstance(column.type, Integer) else "x"


# Every table


def test_every_table_is_said_to_be_somebodys() -> None:
    assert set(tenant.tables()) == set(MODELS)
    assert set(tenant.tables()) == tenant.OWNED | set(tenant.PARENTS) | tenant.SHARED
    for name, how in tenant.tables().items():
        assert ("clinic" in MODELS[name].__table__.c) == (how == "clinic")


def test_a_table_that_nobody_has_thought_about_is_refused(mine: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant, "SHARED", frozenset())
    with pytest.raises(KeyError):
        tenant.tables()
    with pytest.raises(tenant.OtherClinic), mine.read() as session:
        session.execute(select(Heartbeat).where(Heartbeat.name != "other words, so that it is written down anew"))


@pytest.mark.parametrize("name", KEPT_APART)
def test_reading_finds_only_the_clinics_own(mine: Database, ours: Planted, theirs: Planted, name: str) -> None:
    model = MODELS[name]
    with mine.read() as session:
        assert {key_of(model, row) for row in session.execute(select(model)).scalars()} == {ours.keys[name]}
        assert session.get(model, theirs.keys[name]) is None
        assert session.get(model, ours.keys[name]) is not None
        assert session.execute(select(func.count()).select_from(model)).scalar_one() == 1
        assert len(session.query(model).all()) == 1
        assert len(session.execute(select(model.__table__)).all()) == 1
        other = aliased(model)
        assert len(session.execute(select(other)).scalars().all()) == 1
        for column in model.__table__.columns:
            for key in column.foreign_keys:
                parent = MODELS[key.column.table.name]
                joined = select(model).join(parent, key.column == column)
                assert len(session.execute(joined).scalars().all()) <= 1


@pytest.mark.parametrize("name", CHANGEABLE)
def test_changing_and_deleting_touch_only_the_clinics_own(
    db: Database, mine: Database, ours: Planted, theirs: Planted, name: str
) -> None:
    model, before = MODELS[name], rows_of(db)
    keys = list(model.__table__.primary_key)
    own_column = some_column(model)
    with mine.begin() as session:
        everything = update(model).values({own_column.key: own_column}).execution_options(synchronize_session=False)
        assert session.execute(everything).rowcount == 1
    theirs_only = [key == value for key, value in zip(keys, theirs.keys[name], strict=True)]
    for statement in (update(model).values({own_column.key: own_column}), delete(model)):
        with mine.begin() as session:
            found = session.execute(statement.where(*theirs_only).execution_options(synchronize_session=False))
            assert found.rowcount == 0
    assert rows_of(db) == before


@pytest.mark.parametrize("name", KEPT_APART)
def test_nothing_is_added_to_another_clinic(
    db: Database, mine: Database, ours: Planted, theirs: Planted, name: str
) -> None:
    model, before = MODELS[name], rows_of(db)
    with pytest.raises(tenant.OtherClinic), mine.begin() as session:
        session.add(copy_of(db, model, theirs.keys[name]))
    values = {c.key: v for c in model.__table__.c if (v := getattr(copy_of(db, model, theirs.keys[name]), c.key))}
    with pytest.raises(tenant.OtherClinic), mine.begin() as session:
        insert_once(session, model, **values)
    with pytest.raises(tenant.OtherClinic), mine.begin() as session:
        session.bulk_save_objects([copy_of(db, model, theirs.keys[name])])
    assert rows_of(db) == before
    if name != "audit_head":  # one a clinic
        with mine.begin() as session:
            session.add(copy_of(db, model, ours.keys[name]))
        after = rows_of(db)
        assert len(after[name]) == len(before[name]) + 1


@pytest.mark.parametrize("name", CHANGEABLE)
def test_an_object_that_came_from_elsewhere_changes_nothing(
    db: Database, mine: Database, theirs: Planted, name: str
) -> None:
    model, before = MODELS[name], rows_of(db)
    column = some_column(model)

    def stranger() -> Any:
        with db.read() as session:
            return session.get(model, theirs.keys[name])

    with pytest.raises((StaleDataError, tenant.OtherClinic)), mine.begin() as session:
        row = stranger()
        session.add(row)
        setattr(row, column.key, another_value(column))
    with pytest.warns(SAWarning, match="0 were matched"), mine.begin() as session:
        row = stranger()
        session.add(row)
        session.delete(row)
    assert rows_of(db) == before


@pytest.mark.parametrize("name", KEPT_APART)
def test_a_row_is_not_moved_to_another_clinic(
    db: Database, mine: Database, ours: Planted, theirs: Planted, name: str
) -> None:
    model, before = MODELS[name], rows_of(db)
    moves = {"clinic": "theirs"} if "clinic" in model.__table__.c else {}
    for column in model.__table__.columns:
        for key in column.foreign_keys:
            moves[column.key] = theirs.keys[key.column.table.name][0]
    for column, value in moves.items():
        with pytest.raises(tenant.OtherClinic), mine.begin() as session:
            row = session.get(model, ours.keys[name])
            setattr(row, column, value)
            session.flush()
        with pytest.raises(tenant.OtherClinic), mine.begin() as session:
            session.execute(update(model).values({column: value}).execution_options(synchronize_session=False))
    assert rows_of(db) == before


# Every kind of statement

H = aliased(Handoff)
PER_CONVERSATION = select(Handoff.conversation_id).group_by(Handoff.conversation_id)
SHAPES = {
    "join": select(Handoff.id).join(Conversation, Conversation.id == Handoff.conversation_id),
    "outer join": select(Handoff.id).select_from(Conversation).outerjoin(Handoff),
    "aliased join": select(Conversation.id).join(H, H.conversation_id == Conversation.id),
    "named in where only": select(Handoff.id).where(Handoff.conversation_id == Conversation.id),
    "two in a function": select(func.coalesce(Handoff.id, Conversation.id)).where(
        Handoff.conversation_id == Conversation.id
    ),
    "exists": select(Conversation.id).where(exists().where(Handoff.conversation_id == Conversation.id)),
    "in": select(Heartbeat.name).where(exists(select(Handoff.id).where(Handoff.clinic == "theirs"))),
    "subquery": select(Conversation.id).where(Conversation.id.in_(PER_CONVERSATION)),
    "derived table": select(PER_CONVERSATION.subquery().c.conversation_id),
    "cte": select(PER_CONVERSATION.cte().c.conversation_id),
    "union": select(Handoff.id).union(select(Handoff.id)),
    "count inside": select(select(func.count(Handoff.id)).scalar_subquery()),
    "locked": select(Handoff.id).with_for_update(),
    "child and parent": select(Outbox.id).where(Outbox.handoff_id == Handoff.id),
    "words": select(Handoff.id).where(Handoff.words.contains("qx", autoescape=True)),
    "asked for": select(Handoff.id).where(Handoff.clinic == "theirs"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_way_of_asking_finds_more(mine: Database, ours: Planted, theirs: Planted, shape: str) -> None:
    with mine.begin() as session:
        found = [row[0] for row in session.execute(SHAPES[shape])]
    of_ours = {"in": [], "asked for": [], "count inside": [1]}
    own_ids = {ours.keys[name][0] for name in ("handoff", "conversation", "outbox")}
    assert found == of_ours[shape] if shape in of_ours else len(found) == 1 and found[0] in own_ids


def test_a_statement_that_was_written_down_for_one_clinic_is_not_used_for_another(
    db: Database, ours: Planted, theirs: Planted
) -> None:
    question = select(Handoff.clinic).order_by(Handoff.clinic)
    for _ in range(3):
        for database, own in ((db.of("ours"), ["ours"]), (db, ["ours", "theirs"]), (db.of("theirs"), ["theirs"])):
            with database.read() as session:
                assert session.execute(question).scalars().all() == own


def test_a_change_that_asks_another_table_sees_the_clinics_own_of_it(
    db: Database, mine: Database, theirs: Planted
) -> None:
    with mine.begin() as session:
        asked = select(Handoff.conversation_id).where(Handoff.clinic == "theirs")
        quiet = {"synchronize_session": False}
        for where in (exists(asked), Conversation.id.in_(asked)):
            changed = update(Conversation).where(where).values(state="closed").execution_options(**quiet)
            assert session.execute(changed).rowcount == 0


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT words FROM handoff"),
        select(text("words FROM handoff")),
        select(literal_column("(SELECT words FROM handoff)")),
        select(Handoff.id).where(text("1 = 1 OR 1")),
        select(Handoff).from_statement(text("SELECT * FROM handoff")),
        insert(Heartbeat).from_select(["name", "at"], select(Handoff.words, Handoff.created_at)),
        insert(ClinicSetting).values([{"clinic": "ours"}, {"clinic": "theirs"}]),
        update(Handoff).values(clinic=Handoff.tier).execution_options(synchronize_session=False),
        insert(Heartbeat).values(name="part", at=datetime(2030, 1, 1, tzinfo=timezone.utc)).prefix_with("OR REPLACE"),
    ],
    ids=lambda statement: type(statement).__name__,
)
def test_what_cannot_be_bound_is_refused(db: Database, mine: Database, statement: Any) -> None:
    before = rows_of(db)
    with pytest.raises(tenant.OtherClinic), mine.begin() as session:
        session.execute(statement)
    assert rows_of(db) == before


def test_plain_sql_on_the_connection_is_refused(db: Database, mine: Database) -> None:
    with pytest.raises(tenant.OtherClinic), mine.read() as session:
        session.connection().exec_driver_sql("SELECT words FROM handoff")
    with pytest.raises(tenant.OtherClinic), mine.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM note")
    with mine.engine.connect() as connection:
        assert len(connection.execute(select(Handoff.id)).all()) == 1


def test_a_replacing_insert_can_only_replace_the_clinics_own(db: Database, mine: Database, theirs: Planted) -> None:
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    values = {"key": "name", "value": {}, "at": db.clock(), "by": "me"}
    own = dialect.insert(ClinicSetting).values(clinic="ours", **values)
    with mine.begin() as session:
        for _ in range(2):
            session.execute(own.on_conflict_do_update(index_elements=["clinic", "key"], set_={"by": "you"}))
        with pytest.raises(tenant.OtherClinic):
            session.execute(
                dialect.insert(Handoff)
                .values(id=theirs.id_of("handoff"), clinic="ours")
                .on_conflict_do_update(index_elements=["id"], set_={"words": "mine now"})
            )


def test_a_known_key_of_another_clinic_cannot_be_taken(db: Database, mine: Database, theirs: Planted) -> None:
    stranger = copy_of(db, Handoff, theirs.keys["handoff"])
    before = rows_of(db)
    with pytest.raises(IntegrityError), mine.begin() as session:
        with db.read() as reading:
            own = reading.execute(select(Conversation.id).where(Conversation.clinic == "ours")).scalar_one()
        values = {c.key: getattr(stranger, c.key) for c in Handoff.__table__.c}
        session.merge(Handoff(**{**values, "id": theirs.id_of("handoff"), "clinic": "ours", "conversation_id": own}))
    assert rows_of(db) == before


def test_a_bound_database_is_not_bound_to_another(mine: Database) -> None:
    assert mine.of("ours").engine is mine.engine
    with pytest.raises(tenant.OtherClinic):
        mine.of("theirs")


def test_the_audit_of_another_clinic_cannot_be_written(db: Database, mine: Database) -> None:
    before = rows_of(db)
    with pytest.raises(tenant.OtherClinic), mine.begin() as session:
        audit.record(session, clinic="theirs", actor="me", act="a.b", subject="s")
    with mine.begin() as session:
        audit.record(session, clinic="ours", actor="me", act="a.b", subject="s")
    after = rows_of(db)
    assert len(after["audit"]) == len(before["audit"]) + 1


# The work of a handoff


def test_a_whole_handoff_works_within_its_clinic_and_locks_as_it_does_elsewhere(db: Database) -> None:
    mine = db.of("demo")
    conversation = new_conversation(db)
    item = raise_one(mine, conversation).handoff_id
    people = [add_person(db, name) for name in ("lee", "kim", "ann", "bob")]
    steps.mark_seen(mine, item, people[0])
    with mine.read() as session:
        version = session.get(Handoff, item).version
    claimed = at_once(*[partial(steps.claim, mine, item, person, version) for person in people])
    (winner,) = [n for n, result in enumerate(claimed) if isinstance(result, steps.Claimed)]
    steps.add_private_note(mine, item, people[winner], "a note", "k")
    steps.hand_back(mine, item, people[winner], False)
    steps.close(mine, item, people[winner], "answered")
    with mine.begin() as session:
        assert locked_conversation(session, conversation).holder is None
        assert session.execute(select(func.count(Note.id))).scalar_one() == 1
    with pytest.raises(NotAllowed):
        steps.claim(mine, item, people[winner], 99)


def test_sqlite_finds_a_bound_row_by_its_key_and_reads_no_table_for_it(db: Database) -> None:
    mine = db.of("ours").engine
    per_row = select(Conversation.id).outerjoin(Handoff, Handoff.conversation_id == Conversation.id)
    for question in (per_row, select(Event).where(Event.conversation_id == "c"), select(Note).where(Note.id == "n")):
        asked = str(question.compile(mine, compile_kwargs={"literal_binds": True})).replace("?", "'ours'")
        with db.engine.connect() as connection:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
        read_whole = [line for line in plan if "MATERIALIZE" in line or line.startswith("SCAN")]
        assert read_whole in ([], ["SCAN conversation"])
        assert not [line for line in plan if line.startswith("SEARCH handoff") and "(clinic=?)" in line]


# Until somebody is signed in their clinic is not known: door.py hands the whole database to these, and to nobody else.
BEFORE_THE_CLINIC_IS_KNOWN = {"door.py", "sign_in.py", "oidc.py"}


def test_the_inbox_reads_and_writes_through_the_desk() -> None:
    allowed = re.compile(r"auth\.\w+(, |\()(desk\.)?services\.db\b|services\.db\.clock\b|services\.db\.of\(")
    found = set()
    for path in Path(bot.web.inbox.__file__).parent.glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"\bservices\.db\b", allowed.sub("", line)):
                found.add((path.name, line.strip()))
            if re.search(r"\bunbound\b", line) and path.name not in BEFORE_THE_CLINIC_IS_KNOWN:
                found.add((path.name, line.strip()))
    assert found == {("door.py", "return services.db")}
