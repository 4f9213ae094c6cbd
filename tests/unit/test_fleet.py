"""The simulated fleet: the same readings for the same seed, and broken records that nobody can store."""

import subprocess
import sys

import pytest

from taosbatch.encoding import Layout
from taosink.records.encoder import RecordEncoder
from taosink.records.record import Record, encode_json, encode_msgpack
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.poison import NAMES, broken

DEMO = FleetSettings(shape="demo", tables=7, records_per_table=30, poison=11)


def test_equal_settings_are_the_same_fleet_in_another_process() -> None:
    """An audit in a process of its own tells the very readings that a producer sent."""
    program = (
        "from taosink.simulator.fleet import *;"
        "f = Fleet(FleetSettings(shape='demo', tables=7, records_per_table=30, poison=11));"
        "print(list(f.readings()), [list(f.device_rows(d)) for d in range(7)])"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    fleet = Fleet(DEMO)
    assert said.strip() == f"{list(fleet.readings())} {[list(fleet.device_rows(d)) for d in range(7)]}"


def test_another_seed_is_another_fleet() -> None:
    """Values and places of the broken records both come from the seed."""
    one, two = (
        Fleet(DEMO),
        Fleet(FleetSettings(shape="demo", tables=7, records_per_table=30, poison=11, seed=1)),
    )
    assert list(one.readings()) != list(two.readings())
    assert one.values(3, 4) != two.values(3, 4)


@pytest.mark.parametrize("records", [None, 0, 1, 100, 1000])
def test_device_rows_are_the_readings_without_the_broken_ones(records: int | None) -> None:
    """Device by device or in producing order: the same account, also where the total is capped."""
    fleet = Fleet(FleetSettings(shape="demo", tables=7, records_per_table=30, poison=0, records=records))
    poisoned = Fleet(
        FleetSettings(
            shape="demo", tables=7, records_per_table=30, poison=min(11, fleet.total), records=records
        )
    )
    readings = list(poisoned.readings())
    good = {(d, poisoned.timestamp_ns(r)): poisoned.values(d, r) for d, r, kind in readings if kind is None}
    told = {(d, at): cols for d in range(7) for at, cols in poisoned.device_rows(d)}
    assert told == good
    assert len(readings) == poisoned.total == min(210, 210 if records is None else records)
    assert len(readings) - len(good) == poisoned.settings.poison


def test_time_goes_on_row_by_row_over_all_devices() -> None:
    """The order is that of a real fleet: everybody's first second, then everybody's second one."""
    fleet = Fleet(FleetSettings(tables=3, records_per_table=2, start_ns=5, interval_ns=10))
    assert [(d, fleet.timestamp_ns(r)) for d, r, _ in fleet.readings()] == [
        (0, 5), (1, 5), (2, 5), (0, 15), (1, 15), (2, 15),
    ]  # fmt: skip


def test_demo_columns_are_of_four_types() -> None:
    """A float that is never whole, an integer, a bool, eight letters."""
    fleet = Fleet(FleetSettings(shape="demo", tables=50, records_per_table=50))
    for device, row, _ in fleet.readings():
        level, number, flag, letters = fleet.values(device, row)
        assert isinstance(level, float)
        assert level % 1
        assert type(number) is int
        assert type(flag) is bool
        assert isinstance(letters, str)
        assert len(letters) == 8
        assert letters.isalpha()


def test_metrics_columns_are_text_of_the_width_asked_for() -> None:
    """As many columns of random letters as wanted, each as wide as wanted, and not all alike."""
    values = Fleet(FleetSettings(columns=100, bytes_per_column=12)).values(4, 2)
    assert len(values) == len(set(values)) == 100
    assert all(isinstance(v, str) and len(v) == 12 and v.isascii() and v.isalpha() for v in values)


def test_poison_is_of_every_kind_and_where_the_fleet_says() -> None:
    """With at least as many broken records as kinds, each kind is there."""
    fleet = Fleet(FleetSettings(shape="demo", tables=10, records_per_table=100, poison=2 * len(NAMES)))
    kinds = [kind for _, _, kind in fleet.readings() if kind is not None]
    assert sorted(set(kinds)) == list(range(len(NAMES)))
    assert len(kinds) == 2 * len(NAMES)


@pytest.mark.parametrize("codec", ["auto", "msgpack", "json"])
@pytest.mark.parametrize("kind", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("shape", ["demo", "metrics"])
def test_every_broken_record_is_refused_alone(kind: int, shape: str, codec: str) -> None:
    """The encoder gives a reason for it, and stores its neighbours."""
    fleet = Fleet(FleetSettings(shape=shape))  # type: ignore[arg-type] # parametrize knows no literals
    encode = encode_json if codec == "json" else encode_msgpack
    good = [encode(Record("tb0", fleet.timestamp_ns(r), fleet.values(0, r))) for r in range(2)]
    layout = Layout("db", "stb", codec=codec)  # type: ignore[arg-type] # the same
    encoded = RecordEncoder().encode([good[0], fleet.broken(0, 5, kind), good[1]], layout, set())
    assert [reject.index for reject in encoded.rejects] == [1]
    assert encoded.rejects[0].detail
    assert sorted(i for statement in encoded.statements for i in statement.rows) == [0, 2]


def test_a_broken_record_is_always_the_same_bytes() -> None:
    """The same kind in the same place is the same value, so that runs can be compared."""
    fleet = Fleet(DEMO)
    for kind in range(len(NAMES)):
        assert fleet.broken(1, 2, kind) == broken(kind, "tb1", fleet.timestamp_ns(2), fleet.values(1, 2))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"tables": 0}, "tables"),
        ({"poison": 101}, "poison"),
        ({"records": -1}, "records"),
        ({"interval_ns": 0}, "interval"),
    ],
)
def test_impossible_fleets_are_refused(settings: dict[str, int], word: str) -> None:
    """A setting that cannot be is named."""
    with pytest.raises(ValueError, match=word):
        FleetSettings(**settings)  # type: ignore[arg-type] # what is tried is wrong on purpose
