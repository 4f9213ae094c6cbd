"""What the load tool is asked to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from taosdevice.link import Address

Mode = Literal["single", "batch", "idle"]
Ack = Literal["kafka", "stored"]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Durations in seconds; `rate` in requests a second of all connections together, 0 for as fast as answers
    come, with `in_flight` requests of each connection."""

    connections: int = 5000
    mode: Mode = "single"
    acks: Sequence[Ack] = ("kafka",)
    batch: int = 200
    rate: float = 5000.0
    in_flight: int = 4
    warmup: float = 2.0
    duration: float = 20.0
    connect_rate: float = 1000.0
    patience: float = 30.0
    per_source: int = 200
    """Connections from one address of loopback; a gateway counts them by address."""
    prefix: str = "bench-"
    first_time: int = 1_700_000_000
    """Of the first reading, in seconds since 1970."""

    @property
    def records_per_request(self) -> int:
        return {"single": 1, "batch": self.batch, "idle": 0}[self.mode]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The gateway. Without `address` one is started, with all that it needs; `launcher` is the command that
    starts taosink. `brokers` are for that gateway, an embedded one without them."""

    launcher: Sequence[str]
    address: Address | None = None
    pid: int = 0
    token: Callable[[str], str] | None = field(default=None, repr=False)
    brokers: str = ""
    topic: str = "taosink-bench"
    consumer: bool = False
    report: Path | None = None
