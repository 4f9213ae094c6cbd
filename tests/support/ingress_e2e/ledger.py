"""What devices were told of their readings and commands, to be held against the database and the gateways."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["stored", "kafka", "poison"]


@dataclass(slots=True)
class Reading:
    """One reading of a device at `ms`. `acknowledged` once the promise of its kind was given."""

    device: str
    ms: int
    cols: tuple[float, int, str]
    kind: Kind
    acknowledged: bool = False


@dataclass(slots=True)
class Order:
    """One command as its sender knows it. `seq` grows with each command of a device; `handled` counts how often the
    device's program was asked to do it."""

    id: str
    device: str
    seq: int
    answer: bool
    ghost: bool = False
    handled: int = 0


@dataclass(slots=True)
class Ledger:
    """One run's. Used on one loop."""

    readings: list[Reading] = field(default_factory=list)
    poison: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    done: dict[str, list[int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def acknowledged(self, readings: list[Reading]) -> None:
        for reading in readings:
            reading.acknowledged = True
            self.counts[f"acknowledged_{reading.kind}"] += 1

    def handle(self, device: str, data: Any) -> int:
        """A device does a command; returns its number."""
        order = self.orders[data["id"]]
        order.handled += 1
        if order.device != device:
            self.wrong.append(f"{device} got {order}")
        self.done.setdefault(device, []).append(order.seq)
        return order.seq
