"""`taosink init` without servers: what is wanted, what is said of what is there, and how it waits."""

import threading

import pytest
import structlog

from taosink.config import InitSettings, load
from taosink.kafka.topics import Topic
from taosink.records.stable import device_stable
from taosink.settings.columns import MOST_COLUMNS, parse_columns
from taosink.settings.problems import SettingsError
from taosink.setup.database_side import judge_database, judge_supertable
from taosink.setup.kafka_side import Wanted, judge, wanted_topics
from taosink.setup.outcome import Outcome, State
from taosink.setup.patience import Patience
from taosink.taos.catalogue import DatabaseInfo
from taosink.taos.ddl import Table, column_type


def settings(*flags: tuple[str, str]) -> InitSettings:
    return load(InitSettings, flags, environ={}).settings


def table(*types: str) -> Table:
    columns = {f"col{at}": column_type(text) for at, text in enumerate(types)}
    return Table({"ts": column_type("TIMESTAMP"), **columns}, {"device": column_type("VARCHAR(192)")})


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("", ()),
        ("double", ("DOUBLE",)),
        (" Double , bigint  unsigned", ("DOUBLE", "BIGINT UNSIGNED")),
        ("NCHAR(64)*2,VARCHAR ( 8 )", ("NCHAR(64)", "NCHAR(64)", "VARCHAR(8)")),
        (["BOOL", "INT*2"], ("BOOL", "INT", "INT")),
        (("FLOAT",), ("FLOAT",)),
    ],
)
def test_columns_as_people_write_them(text: object, types: tuple[str, ...]) -> None:
    """In any case, with a count behind a type that repeats."""
    assert parse_columns(text) == types


@pytest.mark.parametrize(
    "text",
    [
        "DUBBLE",
        "NCHAR",
        "NCHAR(0)",
        "NCHAR(16380)",
        "DOUBLE(8)",
        "INT) TAGS (x INT",
        "INT;DROP DATABASE d",
        "DOUBLE UNSIGNED",
        f"INT*{MOST_COLUMNS + 1}",
    ],
)
def test_what_is_no_column_is_refused(text: str) -> None:
    """Before anything is connected, and nothing that is written there becomes SQL."""
    with pytest.raises(SettingsError) as caught:
        settings(("init.columns", text))
    assert [p.setting for p in caught.value.problems] == ["init.columns"]


def test_columns_and_a_route_exclude_each_other() -> None:
    """A route names tables and columns itself."""
    with pytest.raises(SettingsError, match="names tables and columns itself"):
        settings(("init.columns", "INT"), ("route", "taosink.records.routes:load_route"))


def test_the_topics_of_consumers() -> None:
    """Each topic and its dead letters, named as consumers name them."""
    found = wanted_topics(settings(("topic", "a,b"), ("init.partitions", "6")))
    assert [(t.name, t.partitions, t.letters) for t in found] == [
        ("a", 6, False),
        ("b", 6, False),
        ("a.dlq", 1, True),
        ("b.dlq", 1, True),
    ]
    (_, letters) = wanted_topics(settings(("topic", "a"), ("dlq.topic", "bad")))
    assert letters.name == "bad"


def test_a_pattern_names_no_topic() -> None:
    """What it will match is made by whoever writes there; a dead-letter topic that is named is made."""
    assert [t.name for t in wanted_topics(settings(("topic", "^plant-[0-9]$"), ("dlq.topic", "bad")))] == [
        "bad"
    ]


def test_the_topics_of_gateways_on_request() -> None:
    """Compacted ones as gateways make them, and the readings' topic once, with the consumers' partitions."""
    found = wanted_topics(settings(("topic", "r"), ("init.ingress", "true"), ("ingress.request-topic", "")))
    by_name = {t.name: t for t in found}
    assert len(by_name) == len(found)
    assert set(by_name) == {
        *("r", "r.dlq", "taosink_presence", "taosink_commands", "segments", "workers_layer_messages")
    }
    assert {name for name, t in by_name.items() if t.compacted} == {"taosink_presence", "taosink_commands"}
    assert by_name["r"] == Wanted("r", 10, divided=True)


def test_fewer_partitions_are_told_with_what_to_do() -> None:
    """And more are right; topics that are not divided among consumers may have any number."""
    few = judge(Wanted("t", 8, divided=True), Topic("t", 4))
    assert few.state is State.WARNING
    assert "was there with 4 partitions, not 8" in few.line
    assert "--alter --topic t --partitions 8" in few.do
    assert judge(Wanted("t", 8, divided=True), Topic("t", 9)).state is State.THERE
    assert judge(Wanted("t", 8), Topic("t", 1, created=True)) == Outcome(State.MADE, "topic t", "1 partition")


def test_a_supertable_with_other_columns_is_told() -> None:
    """With the ALTER where one would do, and without where none does."""
    wanted = device_stable("d", "s", ["DOUBLE", "NCHAR(8)"])
    assert judge_supertable("s", table("DOUBLE", "NCHAR(8)"), wanted).state is State.THERE
    assert judge_supertable("s", table("DOUBLE", "NCHAR(9)", "INT"), wanted).state is State.THERE
    narrow = judge_supertable("s", table("DOUBLE", "NCHAR(4)"), wanted)
    assert narrow.state is State.WARNING
    assert "MODIFY COLUMN `col1` NCHAR(8)" in narrow.line
    missing = judge_supertable("s", table("DOUBLE"), wanted)
    assert "no col1" in missing.line
    assert "ADD COLUMN `col1` NCHAR(8)" in missing.line
    other = judge_supertable("s", table("BIGINT", "NCHAR(8)"), wanted)
    assert other.state is State.WARNING
    assert "col0 is BIGINT, not DOUBLE" in other.line
    assert "ALTER STABLE" not in other.line
    assert judge_supertable("s", table("BIGINT"), None).state is State.THERE


def test_another_precision_is_told() -> None:
    """It cannot be altered, and times are stored in the database's own."""
    assert judge_database("d", DatabaseInfo("d", "us"), "us").state is State.THERE
    assert judge_database("d", DatabaseInfo("d", "us"), "ms").state is State.WARNING


def test_an_outcome_is_one_line() -> None:
    """Whatever a server said."""
    assert Outcome(State.FAILED, "topic t", "a\nb  c", "do it").line == "failed     topic t: a b c; do it"


class Passing(threading.Event):
    """An event that makes time pass instead of waiting for it."""

    now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


def test_patience_ends_and_says_why_it_waits() -> None:
    """Once a reason, then every ten seconds, and never past its time."""
    over = Passing()
    patience = Patience("Kafka at k:1", 25.5, over, clock=lambda: over.now)
    with structlog.testing.capture_logs() as logs:
        while patience.again("refused" if over.now < 15 else "no route"):
            pass
    assert over.now == 25.5
    assert [(e["reason"], e["seconds_left"]) for e in logs] == [
        ("refused", 26),
        ("refused", 16),
        ("no route", 10),
        ("no route", 0),
    ]


def test_patience_ends_with_the_other_side() -> None:
    """A refused login there ends the command, and nothing is said in the background any more."""
    over = threading.Event()
    patience = Patience("Kafka at k:1", 25.5, over)
    over.set()
    with structlog.testing.capture_logs() as logs:
        assert not patience.again("refused")
    assert not logs
