"""What the demo is asked to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taosink.simulator.fleet import FleetSettings


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`launcher` is the command that starts taosink (program and first arguments), which the command line knows.

    `patience`: seconds without any movement after which the demo gives up and reports what it sees.
    """

    launcher: Sequence[str]
    records: int = 200_000
    tables: int = 100
    partitions: int = 10
    consumers: int = 2
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
