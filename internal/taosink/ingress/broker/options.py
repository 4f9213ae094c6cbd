"""What the broker's side of a gateway needs to know, frozen; made by the composition root from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. A claim or a command outlives the gateway that wrote it, so every gateway has the same ones."""

    heartbeat: float = 5.0
    silent: float = 20.0
    """A gateway without a heartbeat for so long counts as gone, and its devices as absent."""
    kept: float = 3600.0
    """What has ended is kept for so long, then deleted from its topic."""
    sweep: float = 1.0
    expiry_grace: float = 2.0
    """After a command's time to live, so that an answer on its way comes first."""
    repair: float = 1.0
    """Longest of the random waits before what the others may do too."""
    refresh: float = 30.0
    """Between two looks at the readings topic's partition count."""
    topic_retry: float = 2.0


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """`properties` reach the brokers (servers, TLS, SASL) and may hold secrets. Bounds count what is handed over
    and not acknowledged."""

    properties: Mapping[str, Any] = field(repr=False)
    server: str
    readings: str
    requests: str = "tcp_layer_messages"
    responses: tuple[str, ...] = ("workers_layer_messages",)
    presence: str = "taosink_presence"
    commands: str = "taosink_commands"
    segments: str = ""
    create: bool = True
    readings_partitions: int = 10
    other_partitions: int = 8
    url: str = ""
    max_records: int = 50_000
    max_bytes: int = 64 << 20
    linger: float = 0.005
    delivery_timeout: float = 30.0
    prefetch_bytes: int = 8 << 20
    max_devices: int = 1_000_000
    max_commands: int = 100_000
    max_commands_per_device: int = 100
    default_ttl: float = 3600.0
    max_ttl: float = 7 * 86_400.0
    timings: Timings = Timings()
