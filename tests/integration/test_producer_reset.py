"""`--reset` against the embedded database: it drops what is there, and nothing else ever does."""

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from taosink.config import ProducerSettings, load
from taosink.embedded.librdkafka import MockCluster
from taosink.ports import Driver, Result
from taosink.simulator.app import run_producer
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.options import ProducerOptions
from taosink.simulator.reset import ResetError, reset_supertable
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import Local, TaosError
from taosink_cli.producer import producer_options


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """An embedded database of its own, with a database `test`."""
    command = [sys.executable, "-m", "taosink_cli", "embedded", "database", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            host = process.stdout.readline().strip().removeprefix("http://").rpartition("@")[2].strip("/")
            found = f"http://root:taosdata@{host}/test"
            driver = connect(parse(f"http://root:taosdata@{host}/"))
            driver.execute("CREATE DATABASE IF NOT EXISTS test")
            driver.close()
            yield found
        finally:
            process.terminate()


@pytest.fixture
def driver(uri: str) -> Iterator[Driver]:
    """The supertable of an earlier run, with a row in it."""
    found = connect(parse(uri))
    found.execute("DROP STABLE IF EXISTS test.stb")
    found.execute("CREATE STABLE test.stb (ts TIMESTAMP, col0 DOUBLE) TAGS (device VARCHAR(192))")
    found.execute(
        "INSERT INTO test.tb0 USING test.stb (device) TAGS ('tb0') (ts, col0) VALUES (1735689600000, 1.5)"
    )
    try:
        yield found
    finally:
        found.close()


def settings(uri: str, brokers: str, *flags: tuple[str, str], reset: bool) -> ProducerOptions:
    """As the command line gives them."""
    given = [
        ("kafka.brokers", brokers),
        ("taosuri", uri),
        ("reset", str(reset).lower()),
        ("sim.columns", "3"),
        ("sim.bytes-per-column", "12"),
        ("sim.tables", "20"),
        ("sim.records-per-table", "5"),
    ]
    return producer_options(
        load(ProducerSettings, [*(dict(given) | dict(flags)).items()], environ={}).settings
    )


def produce(uri: str, *flags: tuple[str, str], reset: bool, stop: threading.Event | None = None) -> int:
    with MockCluster({"test": 10}) as broker:
        options = settings(uri, broker.bootstrap, *flags, reset=reset)
        options = replace(options, connect_timeout=1.0)
        return run_producer(options, stop=stop or threading.Event(), out=io.StringIO())


def described(driver: Driver) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in driver.query("DESCRIBE test.stb").rows]


def test_a_reset_makes_the_supertable_anew(uri: str, driver: Driver) -> None:
    """The old rows are gone, the columns are the fleet's."""
    assert produce(uri, reset=True) == 0
    assert described(driver) == [
        ("ts", "TIMESTAMP"), ("col0", "VARCHAR"), ("col1", "VARCHAR"), ("col2", "VARCHAR"), ("device", "VARCHAR"),
    ]  # fmt: skip
    assert not driver.query("SELECT * FROM test.stb").rows


def test_without_a_reset_the_database_is_not_touched(uri: str, driver: Driver) -> None:
    """An address alone drops nothing."""
    assert produce(uri, reset=False) == 0
    assert len(driver.query("SELECT * FROM test.stb").rows) == 1


def test_a_reset_that_fails_produces_nothing(uri: str) -> None:
    """A wrong password ends the run at its start."""
    assert produce(uri.replace("taosdata@", "wrong@"), reset=True) == 1


def test_user_and_password_may_stand_beside_the_address(uri: str, driver: Driver) -> None:
    """As for every other command."""
    bare = uri.replace("root:taosdata@", "root:wrong@")
    assert produce(bare, ("taos.password", "taosdata"), reset=True) == 0
    assert not driver.query("SELECT * FROM test.stb").rows


@pytest.mark.parametrize(
    "flags", [[("kafka.brokers", "127.0.0.1:1")], [("partitions", "11")]], ids=["no broker", "few partitions"]
)
def test_a_run_that_cannot_start_drops_nothing(
    uri: str, driver: Driver, flags: list[tuple[str, str]]
) -> None:
    """Kafka is looked at first."""
    assert produce(uri, *flags, reset=True) == 1
    assert len(driver.query("SELECT * FROM test.stb").rows) == 1


def test_a_run_that_is_stopped_before_it_begins_drops_nothing(uri: str, driver: Driver) -> None:
    """It would produce nothing in the place of what is gone."""
    stop = threading.Event()
    stop.set()
    assert produce(uri, reset=True, stop=stop) == 0
    assert len(driver.query("SELECT * FROM test.stb").rows) == 1


def test_a_missing_database_is_one_true_line(uri: str) -> None:
    """It says what to create; no rows of a producer wait for a table."""
    with capture_logs() as logs:
        assert produce(uri, ("sim.database", "nowhere"), reset=True) == 1
    (refusal,) = [entry for entry in logs if entry["event"] == "producer.not_started"]
    assert "no database 'nowhere'" in refusal["error"]
    assert "CREATE DATABASE" in refusal["error"]
    assert "wait" not in refusal["error"]
    assert "\n" not in refusal["error"]


class Failing:
    """A driver whose statement `at` (from 0) fails; it stands for a server that dies in between."""

    def __init__(self, at: int, code: int) -> None:
        self.at, self.code, self.statements = at, code, 0

    def execute(self, sql: bytes | str) -> int:  # noqa: ARG002 - the Protocol's name
        self.statements += 1
        if self.statements > self.at:
            raise TaosError(self.code, "gone", "h:6041")
        return 0

    def query(self, sql: str) -> Result:
        raise NotImplementedError(sql)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("at", "code", "dropped", "says"),
    [
        (0, Local.CONNECT, False, "was not dropped"),
        (0, Local.TIMEOUT, None, "may or may not have been dropped"),
        (1, Local.CONNECT, True, "was dropped, with its data, and not created again"),
    ],
)
def test_a_failed_reset_says_what_became_of_the_data(
    at: int, code: int, dropped: bool | None, says: str
) -> None:
    """That is what an operator needs to know."""
    with pytest.raises(ResetError, match=says) as caught:
        reset_supertable(Fleet(FleetSettings()), Failing(at, code), database="db", supertable="stb")
    assert caught.value.dropped is dropped
    assert "writing goes on" not in str(caught.value)
