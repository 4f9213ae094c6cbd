"""What the writer relies on, asked of the TDengine that is found: one suite for every driver and server."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.proxy import Proxy
from support.taos_server_under_test import TaosUnderTest, announce, found, fresh_database

from taosink.ports import Driver
from taosink.taos.catalogue import read_database, read_table
from taosink.taos.ddl import ColumnType
from taosink.taos.drivers import DriverOptions, connect
from taosink.taos.errors import ErrorClass, Local, TaosError

T0 = 1_700_000_000_000
STABLE = "ts TIMESTAMP, col0 DOUBLE, col1 INT, col3 VARCHAR(8)"
USING = "USING stb (device) TAGS ('d1')"


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
def driver(taos: TaosUnderTest, database: str) -> Iterator[Driver]:
    made = taos.connect(database)
    made.execute(f"CREATE STABLE stb ({STABLE}) TAGS (device VARCHAR(64))")
    yield made
    made.close()


def refused(driver: Driver, sql: str | bytes) -> TaosError:
    with pytest.raises(TaosError) as caught:
        driver.execute(sql)
    return caught.value


def test_a_write_says_how_many_rows_and_a_query_gives_names_and_rows(driver: Driver) -> None:
    """Affected rows of an INSERT in bytes; names and plain values of a SELECT."""
    sql = f"INSERT INTO d1 {USING} (ts,col0,col3) VALUES ({T0},1.5,'ü')({T0 + 1},NULL,'b')"
    assert driver.execute(sql.encode()) == 2
    result = driver.query("SELECT col0, col3 FROM stb ORDER BY ts")
    assert list(result.columns) == ["col0", "col3"]
    assert [list(row) for row in result.rows] == [[1.5, "ü"], [None, "b"]]


def test_a_resend_merges(driver: Driver) -> None:
    """The same (subtable, timestamp) again changes nothing: what was not answered may be sent again."""
    sql = f"INSERT INTO d1 {USING} (ts,col0) VALUES ({T0},1)({T0 + 1},2)"
    driver.execute(sql)
    driver.execute(sql)
    assert driver.query("SELECT COUNT(*) FROM stb").rows[0][0] == 2


def test_catalogue(driver: Driver, database: str) -> None:
    """Precision, KEEP, columns and tags are read as they are; what is missing is None."""
    info = read_database(driver, database)
    assert info is not None
    assert (info.precision, info.keep_minutes) == ("ms", 36500 * 1440)
    assert read_database(driver, "no_such_database") is None
    table = read_table(driver, database, "stb")
    assert table is not None
    assert list(table.columns.values()) == [
        ColumnType("TIMESTAMP"),
        ColumnType("DOUBLE"),
        ColumnType("INT"),
        ColumnType("VARCHAR", 8),
    ]
    assert dict(table.tags) == {"device": ColumnType("VARCHAR", 64)}
    assert read_table(driver, database, "nosuch") is None
    assert read_table(driver, "no_such_database", "stb") is None


def test_table_missing_with_and_without_using(driver: Driver) -> None:
    """0x2603 without USING is the subtable; with USING everywhere it is the supertable."""
    assert refused(driver, f"INSERT INTO d7 (ts,col0) VALUES ({T0},1)").code == 0x2603
    everywhere = f"INSERT INTO d7 USING nostb (device) TAGS ('d7') (ts,col0) VALUES ({T0},1)"
    error = refused(driver, everywhere)
    assert (error.code, error.kind) == (0x2603, ErrorClass.SCHEMA_GAP)


@pytest.mark.parametrize(
    "values",
    [
        "'abc',1,'x'",
        "nan,1,'x'",
        "1e309,1,'x'",
        "1,3000000000,'x'",
        "1,1",
        "1,true,'x'",
        "1,'','x'",
    ],
)
def test_0216_for_everything(driver: Driver, values: str) -> None:
    """Type, overflow, NaN, a short row: one number, poison, and nothing of the statement is stored."""
    good = f"({T0},1,1,'good')"
    error = refused(driver, f"INSERT INTO d1 {USING} (ts,col0,col1,col3) VALUES {good}({T0 + 1},{values})")
    assert (error.code, error.kind) == (0x0216, ErrorClass.POISON)
    assert not driver.query("SELECT * FROM stb").rows


def test_a_short_row_after_add_column_looks_like_poison(driver: Driver) -> None:
    """0x0216 can be drift: the reason for reading the schema again first."""
    driver.execute(f"INSERT INTO d1 {USING} VALUES ({T0},1,1,'x')")
    driver.execute("ALTER STABLE stb ADD COLUMN col4 INT")
    assert refused(driver, f"INSERT INTO d1 VALUES ({T0 + 1},1,1,'x')").code == 0x0216


@pytest.mark.parametrize(
    ("clause", "code", "kind"),
    [
        (f"{USING} (ts,nocol) VALUES ({T0},1)", 0x2602, ErrorClass.ROW_SCHEMA),
        (f"USING stb (notag) TAGS ('d1') (ts,col0) VALUES ({T0},1)", 0x2602, ErrorClass.ROW_SCHEMA),
        (f"{USING} (ts,col3) VALUES ({T0},'123456789')", 0x2653, ErrorClass.ROW_SCHEMA),
        (f"USING stb (device) TAGS ('d1','x') (ts,col0) VALUES ({T0},1)", 0x260D, ErrorClass.ROW_SCHEMA),
        (f"{USING} (ts,col0) VALUES ({T0},1,2)", 0x263F, ErrorClass.ROW_SCHEMA),
        (f"{USING} (ts,col0) VALUES ({T0 * 1000},1)", 0x060B, ErrorClass.POISON),
        (f"{USING} (ts,col0) VALUES (NULL,1)", 0x0216, ErrorClass.POISON),
    ],
)
def test_refusals_of_rows(driver: Driver, clause: str, code: int, kind: ErrorClass) -> None:
    """Each has its own number and class."""
    error = refused(driver, f"INSERT INTO d1 {clause}")
    assert (error.code, error.kind) == (code, kind)


def test_a_bad_name_is_poison(driver: Driver) -> None:
    """A dot cannot stand in a table's name, even in backticks."""
    sql = f"INSERT INTO `a.b` USING stb (device) TAGS ('x') (ts,col0) VALUES ({T0},1)"
    error = refused(driver, sql)
    assert (error.code, error.kind) == (0x2617, ErrorClass.POISON)


def test_ddl_races_are_told_by_number(driver: Driver, database: str) -> None:
    """What exists already is a lost race; what does not exist is a gap."""
    stable = refused(driver, f"CREATE STABLE stb ({STABLE}) TAGS (device VARCHAR(64))")
    assert (stable.code, stable.kind) == (0x0360, ErrorClass.DDL_RACE)
    again = refused(driver, f"CREATE DATABASE {database}")
    assert (again.code, again.kind) == (0x0381, ErrorClass.DDL_RACE)
    column = refused(driver, "ALTER STABLE stb ADD COLUMN col0 DOUBLE")
    assert (column.code, column.kind) == (0x036B, ErrorClass.DDL_RACE)
    narrower = refused(driver, "ALTER STABLE stb MODIFY COLUMN col3 VARCHAR(2)")
    assert (narrower.code, narrower.kind) == (0x264B, ErrorClass.REFRESH)
    gone = refused(driver, "DROP DATABASE no_such_database")
    assert (gone.code, gone.kind) == (0x0388, ErrorClass.SCHEMA_GAP)


def test_the_length_of_a_statement_is_bounded_inclusively(driver: Driver) -> None:
    """1,048,576 bytes are taken, one more is TooLong."""
    head = f"INSERT INTO d1 {USING} (ts,col0) VALUES ({T0},1)".encode()
    assert driver.execute(head.ljust(1_048_576)) == 1
    error = refused(driver, head.ljust(1_048_577))
    assert (error.code, error.kind) == (0x0219, ErrorClass.TOO_LONG)


def test_a_missing_database_is_no_obstacle_to_making_it(taos: TaosUnderTest) -> None:
    """A driver whose address names it can create it, and uses it from then on."""
    with fresh_database(taos, options="") as name:
        driver = taos.connect(name)
        try:
            error = refused(driver, f"CREATE STABLE {name}.stb ({STABLE}) TAGS (device VARCHAR(64))")
            assert error.kind is ErrorClass.SCHEMA_GAP
            driver.execute(f"CREATE DATABASE {name}")
            driver.execute(f"CREATE STABLE stb ({STABLE}) TAGS (device VARCHAR(64))")
            assert driver.query("SELECT COUNT(*) FROM stb").rows is not None
        finally:
            driver.close()


@pytest.mark.parametrize("user", ["root", "nobody_here"])
def test_a_wrong_login_is_fatal(taos: TaosUnderTest, user: str) -> None:
    """A wrong password and an unknown user alike; the error shows neither's password."""
    address = replace(taos.address, user=user, password="Secret1wrong")
    driver = connect(address)
    try:
        error = refused(driver, "SELECT 1")
    finally:
        driver.close()
    assert error.kind is ErrorClass.FATAL
    assert "Secret1" not in str(error) + repr(error)


def test_drivers_work_side_by_side(taos: TaosUnderTest, driver: Driver, database: str) -> None:
    """One driver a thread: statements that create the same subtables all succeed."""
    failures: list[TaosError] = []

    def write(worker: int) -> None:
        mine = taos.connect(database)
        try:
            for i in range(20):
                mine.execute(f"INSERT INTO d1 {USING} (ts,col0) VALUES ({T0 + worker * 100 + i},1)")
        except TaosError as error:
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert driver.query("SELECT COUNT(*) FROM stb").rows[0][0] == 80


@pytest.fixture
def proxied(taos: TaosUnderTest, database: str) -> Iterator[tuple[Proxy, Driver]]:
    """A REST driver with a proxy between it and the server; native clients would go round it."""
    if taos.address.kind != "rest" or taos.address.tls:
        pytest.skip("a proxy can stand before plain REST only")
    with Proxy(taos.address.host, taos.address.port) as proxy:
        address = replace(taos.in_database(database), host="127.0.0.1", port=proxy.port)
        driver = connect(address, DriverOptions(connect_timeout=2, read_timeout=1))
        yield proxy, driver
        driver.close()


def test_a_server_that_is_gone_and_comes_back(proxied: tuple[Proxy, Driver]) -> None:
    """Refused while it is down, and the same driver works when it is back."""
    proxy, driver = proxied
    driver.query("SELECT 1")
    proxy.cut()
    for _ in range(2):
        error = refused(driver, "SELECT 1")
        assert error.kind is ErrorClass.UNAVAILABLE
    proxy.restore()
    assert driver.query("SELECT 1").rows == [[1]]


def test_a_frozen_server_ends_in_a_timeout(proxied: tuple[Proxy, Driver]) -> None:
    """The read timeout bounds the call; after the thaw a new connection works."""
    proxy, driver = proxied
    driver.query("SELECT 1")
    proxy.freeze()
    error = refused(driver, "SELECT 1")
    assert (error.code, error.kind) == (Local.TIMEOUT, ErrorClass.UNAVAILABLE)
    proxy.thaw()
    assert driver.query("SELECT 1").rows == [[1]]


def test_a_reset_in_mid_answer_leaves_the_statement_stored_and_a_resend_safe(
    proxied: tuple[Proxy, Driver],
) -> None:
    """The server has the row though the answer never came; sent again, it is there once."""
    proxy, driver = proxied
    driver.execute(f"CREATE STABLE stb ({STABLE}) TAGS (device VARCHAR(64))")
    sql = f"INSERT INTO d1 {USING} (ts,col0) VALUES ({T0},1)"
    proxy.reset_answer_after(10)
    error = refused(driver, sql)
    assert (error.code, error.kind) == (Local.BROKEN, ErrorClass.UNAVAILABLE)
    proxy.restore()
    assert driver.query("SELECT COUNT(*) FROM stb").rows[0][0] == 1
    driver.execute(sql)
    assert driver.query("SELECT COUNT(*) FROM stb").rows[0][0] == 1


def test_a_slow_server_is_waited_for(proxied: tuple[Proxy, Driver]) -> None:
    """Slower than usual is no error below the timeout."""
    proxy, driver = proxied
    proxy.delay = 0.1
    assert driver.query("SELECT 1").rows == [[1]]


def test_a_port_that_speaks_something_else(taos: TaosUnderTest) -> None:
    """An address of another HTTP service is named as such, not taken for an outage without words."""
    if taos.address.kind != "rest":
        pytest.skip("REST only")
    driver = taos.connect()
    driver._path = "/no/such/place"  # type: ignore[attr-defined]  # another service knows no such path
    try:
        error = refused(driver, "SELECT 1")
    finally:
        driver.close()
    assert (error.code, error.kind) == (Local.PROTOCOL, ErrorClass.UNAVAILABLE)
    assert "6041" in str(error)
