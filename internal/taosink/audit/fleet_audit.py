"""The demo's audit: the simulator's seed against the database and the dead letters, device by device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from taosbatch.encoding import Precision
from taosink.audit.compare import Cell, DeviceVerdict, compare
from taosink.audit.stored_rows import NO_TABLE, stored_rows
from taosink.ports import Driver
from taosink.simulator.fleet import Fleet
from taosink.taos.errors import TaosError


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """The account of one fleet. It agrees only where nothing is missing, changed or unexplained."""

    devices: Sequence[DeviceVerdict]
    produced: int
    poison: int
    dead_lettered: int

    @property
    def stored(self) -> int:
        return sum(d.stored for d in self.devices)

    @property
    def merged(self) -> int:
        return sum(d.merged for d in self.devices)

    @property
    def lost(self) -> int:
        return sum(d.missing for d in self.devices) + max(0, self.poison - self.dead_lettered)

    @property
    def agrees(self) -> bool:
        return all(d.agrees for d in self.devices) and self.poison == self.dead_lettered

    @property
    def examples(self) -> list[str]:
        found = [text for device in self.devices for text in device.examples]
        if self.poison != self.dead_lettered:
            found.append(
                f"{self.poison} broken records were produced, {self.dead_lettered} are dead-lettered"
            )
        return found


def audit_fleet(
    fleet: Fleet,
    driver: Driver,
    database: str,
    *,
    dead_lettered: int,
    precision: Precision,
    progress: Callable[[int], None] = lambda _: None,
) -> FleetVerdict:
    """Compares every device; memory is bounded by one device's rows. `dead_lettered` counts distinct origins.

    Blocks for the database; raises TaosError where it does not answer. `progress` is told the devices done.
    """
    devices = []
    for index in range(fleet.settings.tables):
        devices.append(_audit_device(fleet, index, driver, database, precision))
        progress(index + 1)
    return FleetVerdict(
        devices=devices,
        produced=fleet.total,
        poison=fleet.settings.poison,
        dead_lettered=dead_lettered,
    )


def _audit_device(
    fleet: Fleet, index: int, driver: Driver, database: str, precision: Precision
) -> DeviceVerdict:
    device = fleet.device_name(index)
    table = f"`{database}`.`{device}`"
    return compare(
        device, fleet.device_rows(index), _rows_or_none(driver, table, fleet, precision), precision
    )


def _rows_or_none(
    driver: Driver, table: str, fleet: Fleet, precision: Precision
) -> Iterator[tuple[int, Sequence[Cell]]]:
    try:
        yield from stored_rows(driver, table, fleet.columns, precision)
    except TaosError as error:
        # A device of which nothing was stored has no subtable; the comparison names its readings as missing.
        if error.code not in NO_TABLE:
            raise
