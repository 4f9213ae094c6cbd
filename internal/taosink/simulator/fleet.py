"""A fleet of devices whose every reading is a function of (seed, device, row): an audit can tell it again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, shake_128
from struct import Struct
from typing import Literal

from taosbatch.literals import Value
from taosink.simulator.poison import KINDS, broken

Shape = Literal["demo", "metrics"]
DEMO_COLUMNS = 4
DEMO_LETTERS = 8
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
AS_LETTERS = bytes(LETTERS[byte % len(LETTERS)] for byte in range(256))
DIGEST = Struct("<IiB3x8s")
DEFAULT_START_NS = 1_735_689_600_000_000_000
"""2025-01-01T00:00:00Z: a fixed default, so that the same settings are the same fleet tomorrow."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What the devices are and send. `records` caps the total; `poison` of the total are broken records.

    `columns` and `bytes_per_column` are those of the shape `metrics` (text columns of random letters);
    `demo` has four columns: a float, an integer, a bool, 8 letters.
    """

    table_prefix: str = "tb"
    tables: int = 10
    records_per_table: int = 10
    columns: int = 10
    bytes_per_column: int = 10
    seed: int = 99
    start_ns: int = DEFAULT_START_NS
    interval_ns: int = 1_000_000_000
    shape: Shape = "metrics"
    poison: int = 0
    records: int | None = None

    def __post_init__(self) -> None:
        for name in ("tables", "records_per_table", "columns", "bytes_per_column", "interval_ns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.records is not None and self.records < 0:
            raise ValueError(f"records must not be negative, but is {self.records}")
        if not 0 <= self.poison <= self.total:
            raise ValueError(
                f"poison must be between 0 and the total of {self.total} records, not {self.poison}"
            )

    @property
    def total(self) -> int:
        """Records that the whole run produces, the broken ones among them."""
        whole = self.tables * self.records_per_table
        return whole if self.records is None else min(whole, self.records)


class Fleet:
    """Pure: two fleets of equal settings are the same, and no call changes one."""

    def __init__(self, settings: FleetSettings) -> None:
        self.settings = settings
        self.total = settings.total
        self.columns = DEMO_COLUMNS if settings.shape == "demo" else settings.columns
        self.values: Callable[[int, int], list[Value]]
        """The columns of a device's row. About 2 µs for `demo`."""
        self.values = self._demo if settings.shape == "demo" else self._metrics
        self._key = str(settings.seed).encode()[:64]
        positions = random.Random(f"{settings.seed}:poison").sample(range(self.total), settings.poison)  # noqa: S311 - test data
        self._poison = {at: number % len(KINDS) for number, at in enumerate(sorted(positions))}

    def __repr__(self) -> str:
        return f"Fleet({self.settings})"

    def device_name(self, device: int) -> str:
        return f"{self.settings.table_prefix}{device}"

    def timestamp_ns(self, row: int) -> int:
        return self.settings.start_ns + row * self.settings.interval_ns

    def readings(self) -> Iterator[tuple[int, int, int | None]]:
        """(device, row, kind of poison or None) in producing order: row by row over all devices."""
        tables, poison = self.settings.tables, self._poison
        for at in range(self.total):
            row, device = divmod(at, tables)
            yield device, row, poison.get(at)

    def device_rows(self, device: int) -> Iterator[tuple[int, list[Value]]]:
        """(timestamp in ns, columns) of everything of this device that can be stored, in producing order."""
        tables, poison, values = self.settings.tables, self._poison, self.values
        for row, at in enumerate(range(device, self.total, tables)):
            if at not in poison:
                yield self.timestamp_ns(row), values(device, row)

    def broken(self, device: int, row: int, kind: int) -> bytes:
        """The raw value of the record that stands in this reading's place."""
        return broken(kind, self.device_name(device), self.timestamp_ns(row), self.values(device, row))

    def column_types(self) -> tuple[str, ...]:
        """As DDL writes them, for a supertable made for this fleet."""
        if self.settings.shape == "demo":
            return ("DOUBLE", "BIGINT", "BOOL", f"VARCHAR({DEMO_LETTERS})")
        return (f"VARCHAR({self.settings.bytes_per_column})",) * self.columns

    def _demo(self, device: int, row: int) -> list[Value]:
        digest = blake2b(b"%d:%d" % (device, row), digest_size=20, key=self._key).digest()
        drawn, count, flag, letters = DIGEST.unpack(digest)
        # four decimals, as sensors give them (full 53-bit fractions would double the text that is written),
        # and never a whole number, which the audit's database might hand back as another type
        return [
            (drawn % 100_000 * 10 + 5) / 10_000,
            count,
            flag & 1 == 1,
            letters.translate(AS_LETTERS).decode("ascii"),
        ]

    def _metrics(self, device: int, row: int) -> list[Value]:
        width, count = self.settings.bytes_per_column, self.columns
        source = shake_128(b"%b:%d:%d" % (self._key, device, row)).digest(width * count)
        text = source.translate(AS_LETTERS).decode("ascii")
        return [text[at : at + width] for at in range(0, width * count, width)]
