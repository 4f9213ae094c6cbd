"""The producer's settings in the simulator's own terms."""

from datetime import UTC, datetime

import pytest

from taosink.config import ProducerSettings, load
from taosink.settings.problems import SettingsError
from taosink.simulator.options import ProducerOptions
from taosink_cli.producer import producer_options


def options(*flags: tuple[str, str], **environ: str) -> ProducerOptions:
    return producer_options(load(ProducerSettings, flags, environ=environ).settings, now_ns=7)


def test_the_defaults_are_those_of_the_replaced_command() -> None:
    """100 tables of 100 text columns and 1000 records each, from now on, a second apart."""
    fleet = options().fleet
    assert (fleet.tables, fleet.columns, fleet.records_per_table) == (100, 100, 1000)
    assert (fleet.bytes_per_column, fleet.seed, fleet.table_prefix) == (10, 99, "tb")
    assert (fleet.start_ns, fleet.interval_ns, fleet.total) == (7, 10**9, 100_000)
    assert not options().reset


def test_more_records_than_the_tables_would_send_are_divided_among_them() -> None:
    """--records is what it says, whatever a table's own number."""
    assert options(("records", "250001")).fleet.total == 250_001
    assert options(("records", "10")).fleet.total == 10


def test_the_shape_decides_the_columns() -> None:
    """Four mixed ones in shape demo."""
    assert options(("shape", "demo")).fleet.columns == 4
    assert options(("sim.columns", "7")).fleet.columns == 7


def test_times_keep_their_microseconds() -> None:
    """A float of seconds would round them."""
    start = datetime(2025, 1, 31, 8, 0, 0, 123457, tzinfo=UTC)
    found = options(("sim.start", start.isoformat())).fleet.start_ns
    assert found == 1_738_310_400_123_457_000


def test_the_database_of_a_reset_is_known_at_the_start() -> None:
    """The setting's own, else the address's; without either it is a wrong setting."""
    assert options(("taosuri", "http://h:6041/db")).database == "db"
    assert options(("taosuri", "http://h:6041/db"), ("sim.database", "other")).database == "other"
    assert options(("taosuri", "http://h:6041")).database == ""
    with pytest.raises(SettingsError, match="names no database"):
        options(("taosuri", "http://h:6041"), ("reset", "true"))


def test_a_reset_uses_all_that_is_said_of_the_database() -> None:
    """A driver for it is made only where one is asked for, and no repr holds its password."""
    found = options(("reset", "true"), ("taosuri", "http://h:6041/db"), ("taos.password", "hunter22"))
    assert found.reset is not None
    assert "hunter22" not in repr(found)
    found.reset().close()


def test_security_reaches_librdkafka() -> None:
    """With the properties given besides; the repr holds none of it."""
    found = options(
        ("kafka.tls", "true"),
        ("kafka.properties", "client.id=edge"),
        KAFKA_SASL_ENABLE="1",
        KAFKA_USER="me",
        KAFKA_PASSWORD="hunter22",
        KAFKA_BROKERS="a:1,b:2",
    )
    properties = found.kafka_properties()
    assert properties["bootstrap.servers"] == "a:1,b:2"
    assert properties["security.protocol"] == "SASL_SSL"
    assert properties["sasl.password"] == "hunter22"
    assert properties["client.id"] == "edge"
    assert "hunter22" not in repr(found)
