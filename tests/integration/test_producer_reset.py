"""`--reset` against the embedded database: it drops what is there, and nothing else ever does."""

import io
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from taosink.embedded.librdkafka import MockCluster
from taosink.ports import Driver
from taosink.simulator.app import run_producer
from taosink.simulator.fleet import FleetSettings
from taosink.simulator.options import ProducerOptions
from taosink.taos.address import parse
from taosink.taos.drivers import connect


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


def produce(uri: str, *, reset: bool) -> int:
    with MockCluster({"test": 10}) as broker:
        options = ProducerOptions(
            broker.bootstrap,
            fleet=FleetSettings(columns=3, bytes_per_column=12),
            taosuri=uri,
            reset=reset,
        )
        return run_producer(options, stop=threading.Event(), out=io.StringIO())


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
