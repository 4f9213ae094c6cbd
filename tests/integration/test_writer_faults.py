"""The writer behind a line that is cut, frozen and reset: nothing lost, nothing out of order."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.proxy import Proxy
from support.taos_server_readings import everything, reading
from support.taos_server_under_test import TaosUnderTest, announce, found, fresh_database

from taosbatch.encoding import Layout
from taosink.records.encoder import RecordEncoder
from taosink.taos.drivers import DriverOptions, connect
from taosink.taos.errors import ErrorClass, TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter

OPTIONS = DriverOptions(connect_timeout=2, read_timeout=0.5)


@pytest.fixture(scope="module")
def taos(request: pytest.FixtureRequest) -> Iterator[TaosUnderTest]:
    with found() as server:
        announce(request.config, server)
        if server.address.kind != "rest" or server.address.tls:
            pytest.skip("a proxy can stand before plain REST only")
        yield server


@pytest.fixture
def database(taos: TaosUnderTest) -> Iterator[str]:
    with fresh_database(taos) as name:
        yield name


@pytest.fixture
def proxy(taos: TaosUnderTest) -> Iterator[Proxy]:
    with Proxy(taos.address.host, taos.address.port) as made:
        yield made


@pytest.fixture
def writer(taos: TaosUnderTest, database: str, proxy: Proxy) -> Iterator[SqlBatchWriter]:
    address = replace(taos.in_database(database), host="127.0.0.1", port=proxy.port)
    # Small statements, so that a fault can fall between two of one batch.
    layout = Layout(database, "stb", max_statement_bytes=600)
    schema = LiveSchema(layout, SchemaPolicy(create=True, alter=True))
    made = SqlBatchWriter(connect(address, OPTIONS), RecordEncoder(), schema)
    yield made
    made.close()


def owned() -> bool:
    return True


@pytest.mark.parametrize("fault", ["cut", "freeze", "reset_answer"])
def test_an_outage_hands_rows_back_until_it_ends(
    taos: TaosUnderTest, database: str, proxy: Proxy, writer: SqlBatchWriter, fault: str
) -> None:
    """No row is refused for it; when the line is back the same rows are stored, each once."""
    values = [reading(f"d{i % 3}", i, i) for i in range(30)]
    assert not writer.write(values[:6], owned).waiting
    if fault == "reset_answer":
        proxy.reset_answer_after(20)
    else:
        getattr(proxy, fault)()
    for _ in range(2):
        written = writer.write(values, owned)
        assert list(written.waiting) == list(range(30))
        assert not written.rejects
        assert isinstance(written.cause, TaosError)
        assert written.cause.kind is ErrorClass.UNAVAILABLE
    proxy.restore()
    assert not writer.write(values, owned).waiting
    driver = taos.connect(database)
    try:
        assert len(everything(driver, database, ["col0"])) == 30
    finally:
        driver.close()


@pytest.mark.parametrize("seed", range(6))
def test_random_faults_end_in_the_table_that_the_order_says(
    taos: TaosUnderTest, database: str, proxy: Proxy, writer: SqlBatchWriter, seed: int
) -> None:
    """Equal timestamps, NULLs, odd cuts, resets between and within statements: the last value wins."""
    dice = random.Random(seed)
    places = [(f"d{dice.randrange(4)}", dice.randrange(12)) for _ in range(160)]
    cells = [(at, None if dice.random() < 0.2 else i) for i, (_, at) in enumerate(places)]
    values = [reading(device, at, *cell) for (device, at), cell in zip(places, cells, strict=True)]
    done = 0
    while done < len(values):
        left = list(range(done, min(len(values), done + dice.randrange(1, 50))))
        done = left[-1] + 1
        while left:
            fault = dice.choice(["none", "none", "answer", "reset", "cut"])
            if fault == "answer":
                proxy.reset_answer_after(dice.randrange(0, 900))
            elif fault == "reset":
                proxy.reset()
            elif fault == "cut":
                proxy.cut()
            written = writer.write([values[i] for i in left], owned)
            assert not written.rejects
            left = [left[i] for i in written.waiting]
            proxy.restore()
    driver = taos.connect(database)
    try:
        found_rows = everything(driver, database, ["col0", "col1"])
    finally:
        driver.close()
    expected = {place: [cell[1]] for place, cell in zip(places, cells, strict=True)}
    assert found_rows == expected
