"""What the demo is asked to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taosink.simulator.fleet import FleetSettings

READINGS = 100
"""Of one device that sends through the gateway."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`launcher` is the command that starts taosink (program and first arguments), which the command line knows.

    `devices` send through a gateway, none where it is 0.
    `patience`: seconds without any movement after which the demo gives up and reports what it sees.
    """

    launcher: Sequence[str]
    records: int = 200_000
    tables: int = 100
    partitions: int = 10
    consumers: int = 2
    devices: int = 20
    poison: int = 0
    seed: int = 99
    keep: bool = False
    report: Path | None = None
    patience: float = 60.0

    @property
    def fleet(self) -> FleetSettings:
        """The producer's fleet: from the same settings the audit regenerates every record."""
        return FleetSettings(
            tables=self.tables,
            records_per_table=-(-self.records // self.tables),
            seed=self.seed,
            shape="demo",
            records=self.records,
            poison=self.poison,
        )

    @property
    def device_fleet(self) -> FleetSettings:
        """The devices that send through the gateway. Their names and values are apart from the producer's, their
        columns the same: both fit one supertable, and neither can be taken for the other."""
        return FleetSettings(
            table_prefix="gw",
            tables=self.devices,
            records_per_table=READINGS,
            seed=self.seed + 1,
            shape="demo",
        )
