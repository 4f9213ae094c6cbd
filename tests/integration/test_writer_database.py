"""The writer with its real encoder against a TDengine server: schema, poison, drift."""

import math
import threading
from collections.abc import Iterator

import pytest
from support.taos_server_readings import CountingDriver, reading, rows_of
from support.taos_server_under_test import TaosUnderTest, announce, found, fresh_database

from taosbatch.encoding import Layout, Reason
from taosink.ports import Written
from taosink.records.encoder import RecordEncoder
from taosink.taos.errors import ErrorClass, TaosError
from taosink.taos.known_tables import KnownTables
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter


@pytest.fixture(scope="module")
def taos(request: pytest.FixtureRequest) -> Iterator[TaosUnderTest]:
    with found() as server:
        announce(request.config, server)
        yield server


@pytest.fixture
def database(taos: TaosUnderTest) -> Iterator[str]:
    with fresh_database(taos) as name:
        yield name


@pytest.fixture
def driver(taos: TaosUnderTest, database: str) -> Iterator[CountingDriver]:
    made = CountingDriver(taos.connect(database))
    yield made
    made.close()


def writer_of(
    driver: CountingDriver, database: str, *, create: bool = False, alter: bool = False
) -> SqlBatchWriter:
    schema = LiveSchema(
        Layout("", "stb"), SchemaPolicy(create=create, alter=alter), address_database=database
    )
    return SqlBatchWriter(driver, RecordEncoder(), schema)


def owned() -> bool:
    return True


def clean(written: Written) -> bool:
    return not written.rejects and not written.waiting and written.cause is None


def test_the_first_batch_makes_database_and_supertable(taos: TaosUnderTest) -> None:
    """From nothing to stored rows in one call, with types from the first values."""
    with fresh_database(taos, options="") as name:
        driver = CountingDriver(taos.connect(name))
        try:
            written = writer_of(driver, name, create=True).write(
                [reading("d1", 0, 1, True, "ü'\\"), reading("d1", 1, 2.5, False, "b")], owned
            )
            assert clean(written)
            rows = rows_of(driver, f"SELECT col0, col1, col2, device FROM `{name}`.`stb` ORDER BY ts")
            assert rows == [[1.0, True, "ü'\\", "d1"], [2.5, False, "b", "d1"]]
        finally:
            driver.close()


def test_without_permission_the_rows_wait_and_the_ddl_is_named(driver: CountingDriver, database: str) -> None:
    """The database is there, the supertable is not: one line says what to run."""
    written = writer_of(driver, database).write([reading("d1", 0, 1)], owned)
    assert list(written.waiting) == [0]
    assert isinstance(written.cause, TaosError)
    assert written.cause.kind is ErrorClass.SCHEMA_GAP
    assert f"CREATE STABLE IF NOT EXISTS `{database}`.`stb`" in str(written.cause)


@pytest.mark.parametrize("bad", [{0}, {63}, {21}, {3, 40}, set(range(64))])
def test_poison_costs_only_its_rows(driver: CountingDriver, database: str, bad: set[int]) -> None:
    """Rows that the live schema cannot hold are refused with the database's own words, within the bound."""
    driver.execute(f"CREATE STABLE `{database}`.stb (ts TIMESTAMP, col0 TINYINT) TAGS (device VARCHAR(64))")
    values = [reading(f"d{i % 5}", i, 1000 if i in bad else i) for i in range(64)]
    written = writer_of(driver, database).write(values, owned)
    assert [r.index for r in written.rejects] == sorted(bad)
    assert {(r.reason, r.code) for r in written.rejects} == {(Reason.DATABASE, 0x0216)}
    assert all("overflow" in r.detail for r in written.rejects)
    assert [r.device for r in written.rejects] == [f"d{i % 5}" for i in sorted(bad)]
    assert not written.waiting
    stored = rows_of(driver, f"SELECT col0 FROM `{database}`.stb ORDER BY col0")
    assert [row[0] for row in stored] == [i for i in range(64) if i not in bad]
    if len(bad) == 1:
        assert len(driver.inserts) - 1 <= 2 * math.ceil(math.log2(64)) + 1


def test_a_new_column_and_a_longer_string_are_altered_in(driver: CountingDriver, database: str) -> None:
    """With schema.alter a wider record is stored with all that it holds."""
    writer = writer_of(driver, database, create=True, alter=True)
    assert clean(writer.write([reading("d1", 0, 1, "short")], owned))
    assert clean(writer.write([reading("d1", 1, 2, "x" * 300, True)], owned))
    assert clean(writer.write([reading("a-device-with-a-long-name-" * 4, 2, 3, "y", False)], owned))
    rows = rows_of(driver, f"SELECT col0, LENGTH(col1), col2 FROM `{database}`.stb ORDER BY ts")
    assert rows == [[1.0, 5, None], [2.0, 300, True], [3.0, 1, False]]


def test_without_alter_only_the_wider_record_is_refused(driver: CountingDriver, database: str) -> None:
    """Its neighbours in the same statement are stored."""
    columns = "ts TIMESTAMP, col0 DOUBLE, col1 VARCHAR(4)"
    driver.execute(f"CREATE STABLE `{database}`.stb ({columns}) TAGS (device VARCHAR(64))")
    values = [reading("d1", 0, 1, "a"), reading("d2", 1, 2, "too long"), reading("d3", 2, 3, "b", True)]
    written = writer_of(driver, database).write([*values, reading("d1", 4, 4, "c")], owned)
    assert sorted((r.index, r.code) for r in written.rejects) == [(1, 0x2653), (2, 0x2602)]
    assert rows_of(driver, f"SELECT col0 FROM `{database}`.stb ORDER BY ts") == [[1.0], [4.0]]


def test_what_is_dropped_under_the_writer_is_made_again(driver: CountingDriver, database: str) -> None:
    """A subtable, the supertable, the database: each dropped in mid-run, and the next batch is stored."""
    writer = writer_of(driver, database, create=True, alter=True)
    for step, drop in enumerate(
        [
            "SELECT 1",
            f"DROP TABLE `{database}`.`d1`",
            f"DROP STABLE `{database}`.`stb`",
            f"DROP DATABASE `{database}`",
        ]
    ):
        driver.query(drop) if drop == "SELECT 1" else driver.execute(drop)
        assert clean(writer.write([reading("d1", step, step), reading("d2", step, step)], owned)), drop
        found_rows = rows_of(driver, f"SELECT COUNT(*) FROM `{database}`.stb WHERE col0 = {step}")
        assert found_rows == [[2]], drop


def test_a_dropped_column_comes_back_or_its_rows_are_refused(driver: CountingDriver, database: str) -> None:
    """schema.alter decides which; nothing waits for ever and nothing is lost unseen."""
    allowed = writer_of(driver, database, create=True, alter=True)
    assert clean(allowed.write([reading("d1", 0, 1, 2)], owned))
    driver.execute(f"ALTER STABLE `{database}`.stb DROP COLUMN col1")
    refused = writer_of(driver, database).write([reading("d1", 1, 1, 2), reading("d1", 2, 1)], owned)
    assert [(r.index, r.code) for r in refused.rejects] == [(0, 0x2602)]
    assert clean(allowed.write([reading("d1", 3, 1, 2)], owned))


def test_the_databases_precision_decides_the_unit(taos: TaosUnderTest) -> None:
    """Times are written in the database's unit, also when it is made anew in another one."""
    with fresh_database(taos, options="PRECISION 'us' KEEP 36500") as name:
        driver = CountingDriver(taos.connect(name))
        try:
            writer = writer_of(driver, name, create=True)
            assert clean(writer.write([reading("d1", 7, 1)], owned))
            assert b"1700000000007000" in driver.inserts[-1]
            driver.execute(f"DROP DATABASE `{name}`")
            driver.execute(f"CREATE DATABASE `{name}` PRECISION 'ns' KEEP 36500")
            assert clean(writer.write([reading("d1", 7, 1)], owned))
            assert b"1700000000007000000" in driver.inserts[-1]
        finally:
            driver.close()


def test_writers_that_start_together_on_nothing_all_store(taos: TaosUnderTest) -> None:
    """Four writers race to create database, supertable, columns and widths: no row pays for it."""
    with fresh_database(taos, options="") as name:
        policy = SchemaPolicy(create=True, alter=True)
        schema = LiveSchema(Layout(name, "stb"), policy)
        known = KnownTables()
        outcomes: list[Written] = []
        start = threading.Barrier(4)

        def work(worker: int) -> None:
            driver = taos.connect(name)
            try:
                writer = SqlBatchWriter(driver, RecordEncoder(), schema, known=known)
                start.wait(10)
                for batch in range(4):
                    cols = [1, "x" * 50 * (worker + 1 + batch), *[True] * (worker + batch)]
                    values = [reading(f"d{i}", worker * 1000 + batch * 100 + i, *cols) for i in range(20)]
                    outcomes.append(writer.write(values, owned))
            finally:
                driver.close()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(outcomes) == 16
        waited = [o for o in outcomes if not clean(o)]
        assert waited == []
        driver = taos.connect(name)
        try:
            assert rows_of(driver, f"SELECT COUNT(*) FROM `{name}`.stb") == [[320]]
        finally:
            driver.close()
