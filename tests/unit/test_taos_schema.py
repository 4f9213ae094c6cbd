"""The live schema: one reader at a time, creation where allowed, races that end well."""

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.taos_server_scripted import LAYOUT, ScriptedDatabase, live_schema

from taosbatch.encoding import Layout, Stable
from taosink.ports import Result
from taosink.taos.errors import ErrorClass, TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy

STABLE = Stable("", "stb", (("ts", "TIMESTAMP"), ("col0", "VARCHAR(16)")), (("device", "VARCHAR(64)"),))


class Gated(ScriptedDatabase):
    """Holds every reading until the test lets it go on."""

    def __init__(self, **state: Any) -> None:
        super().__init__(**state)
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def query(self, sql: str) -> Result:
        if "ins_databases" in sql:
            self.entered.release()
            assert self.go.acquire(timeout=10)
        return super().query(sql)


def test_the_schema_is_read_once_until_somebody_asks_again() -> None:
    """The first call reads, later ones do not; an unchanged reading is the same object."""
    database = ScriptedDatabase(precision="ns")
    schema = live_schema()
    first = schema.current(database)
    assert schema.current(database) is first
    assert len(database.queries) == 2
    assert schema.reread(database) is first
    assert (first.layout.precision, first.layout.database, first.database.keep_minutes) == (
        "ns",
        "db",
        5_256_000,
    )
    database.width = 99
    assert schema.reread(database) is not first


def test_the_addresss_database_is_used_where_none_is_set() -> None:
    """taos.database wins over the address's; with neither, an operator is told."""
    database = ScriptedDatabase()
    schema = LiveSchema(Layout("", "stb"), SchemaPolicy(), address_database="db")
    assert schema.current(database).layout.database == "db"
    with pytest.raises(TaosError, match="no database is named") as caught:
        LiveSchema(Layout("", "stb"), SchemaPolicy()).current(database)
    assert caught.value.kind is ErrorClass.FATAL


def test_readers_that_come_during_a_reading_share_the_next_one() -> None:
    """A reading may have begun before the change that a caller saw: late comers get a later one."""
    database = Gated()
    schema = live_schema()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(schema.reread(database))) for _ in range(6)]
    threads[0].start()
    assert database.entered.acquire(timeout=10)
    for thread in threads[1:]:
        thread.start()
    deadline = threading.Event()
    while len(schema._turn._waiters) < 5:  # type: ignore[attr-defined]  # all others wait for the first
        deadline.wait(0.005)
    database.width = 77
    database.go.release()
    assert database.entered.acquire(timeout=10)
    database.go.release()
    for thread in threads:
        thread.join(10)
    assert len(found) == 6
    assert len(database.queries) == 4
    assert all(snapshot.table.columns["col0"].length == 77 for snapshot in found[1:])


def test_a_failed_reading_fails_those_who_waited_for_it() -> None:
    """Nobody waits ten seconds a thread for the same dead server; the next call tries again."""
    database = Gated()
    schema = live_schema()
    answers: list[str] = []

    def read() -> None:
        try:
            schema.reread(database)
            answers.append("read")
        except TaosError as error:
            answers.append(error.kind.value)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    database.database = False
    for _ in range(2):
        assert database.entered.acquire(timeout=10)
        database.go.release()
    for thread in threads:
        thread.join(0.5)
    while any(thread.is_alive() for thread in threads):
        database.go.release()
        for thread in threads:
            thread.join(0.1)
    assert answers == ["schema_gap"] * 3
    database.database = True
    database.go.release()
    assert schema.reread(database).database.name == "db"


def test_a_gap_names_the_ddl_to_run() -> None:
    """Without permission the message is what an operator types."""
    with pytest.raises(TaosError, match=r"CREATE DATABASE IF NOT EXISTS `db` PRECISION 'ms'") as caught:
        live_schema().current(ScriptedDatabase(database=False))
    assert caught.value.kind is ErrorClass.SCHEMA_GAP
    with pytest.raises(TaosError, match=r"CREATE STABLE IF NOT EXISTS `db`\.`stb`"):
        live_schema().ensure(ScriptedDatabase(stable=False), [STABLE])


def test_create_makes_database_and_supertable_with_what_was_asked_for() -> None:
    """Precision and options are the policy's."""
    database = ScriptedDatabase(database=False, stable=False)
    schema = LiveSchema(LAYOUT, SchemaPolicy(create=True, precision="us", options="KEEP 30 VGROUPS 4"))
    schema.ensure(database, [STABLE])
    assert database.ddl == [
        "CREATE DATABASE `db` PRECISION 'us' KEEP 30 VGROUPS 4",
        "CREATE STABLE `db`.`stb` (`ts` TIMESTAMP, `col0` VARCHAR(16)) TAGS (`device` VARCHAR(64))",
    ]


@pytest.mark.parametrize("code", [0x03D3, 0x0396, 0x0381, 0x0360])
def test_a_lost_race_is_success(code: int) -> None:
    """Whoever comes second looks again, and finds it made."""

    class Raced(ScriptedDatabase):
        def execute(self, sql: bytes | str) -> int:
            super().execute(sql)
            raise TaosError(code, "somebody was faster", "memory")

    database = Raced(database=False, stable=False)
    live_schema(create=True).ensure(database, [STABLE])
    assert database.database
    assert database.stable
    assert len(database.ddl) == 2


class Crowd(ScriptedDatabase):
    """All look before anybody creates; then it answers as TDengine does, which IF NOT EXISTS would keep quiet."""

    def __init__(self, members: int) -> None:
        super().__init__(stable=False)
        self.looked = threading.Barrier(members, timeout=10)
        self.one = threading.Lock()
        self.came_second = 0

    def query(self, sql: str) -> Result:
        found, late = None, self.stable
        try:
            found = super().query(sql)
        finally:
            if "ins_databases" not in sql and not late:
                self.looked.wait()
        return found

    def execute(self, sql: bytes | str) -> int:
        with self.one:
            if self.stable:
                self.came_second += 1
                if "IF NOT EXISTS" not in str(sql):
                    raise TaosError(0x0360, "STable already exists", "memory")
            return super().execute(sql)


def test_only_who_made_it_says_that_it_was_created() -> None:
    """Four writers that find it missing at once, of one process or of several: one line."""
    members = 4
    database = Crowd(members)
    shared = live_schema(create=True)
    schemas = [shared, shared, live_schema(create=True), live_schema(create=True)]
    with capture_logs() as logged:
        threads = [threading.Thread(target=s.ensure, args=(database, [STABLE])) for s in schemas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert database.came_second == members - 1
    assert [line["event"] for line in logged] == ["taos.supertable_created"]
    database.stable, database.looked = False, threading.Barrier(1)
    with capture_logs() as logged:
        shared.ensure(database, [STABLE])
    assert [line["event"] for line in logged] == ["taos.supertable_created"]


def test_only_who_made_the_database_says_so() -> None:
    """Another process came first."""

    class Second(ScriptedDatabase):
        def execute(self, sql: bytes | str) -> int:
            super().execute(sql)
            if "IF NOT EXISTS" not in str(sql):
                raise TaosError(0x0381, "Database already exists", "memory")
            return 0

    with capture_logs() as logged:
        live_schema(create=True).ensure(Second(database=False), [])
    assert logged == []


def test_a_conflict_that_does_not_end_is_waited_on() -> None:
    """DDL that never gets its turn is no fault of the rows."""

    class Busy(ScriptedDatabase):
        def execute(self, sql: bytes | str) -> int:
            raise TaosError(0x03D3, f"conflict: {sql!r}", "memory")

    with pytest.raises(TaosError) as caught:
        live_schema(create=True).ensure(Busy(stable=False), [STABLE])
    assert caught.value.kind is ErrorClass.UNAVAILABLE


def test_widen_does_nothing_unless_allowed() -> None:
    """schema.alter off: no ALTER is sent."""
    database = ScriptedDatabase(width=4)
    assert not live_schema().widen(database, [STABLE], add=True, widen=True)
    assert database.ddl == []
    assert live_schema(alter=True).widen(database, [STABLE], add=True, widen=True)
    assert database.width == 16
    assert not live_schema(alter=True).widen(database, [STABLE], add=True, widen=True)
