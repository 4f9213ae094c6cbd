"""What a run of the producer is asked to do, and the account that it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from taosink.ports import Driver
from taosink.simulator.fleet import FleetSettings
from taosink.simulator.through import ThroughOptions


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """`properties` are librdkafka's own; `bootstrap.servers` is set from `brokers`.

    `partitions` None: the topic's. `rate`: records a second; None: as fast as it goes. `duration`: seconds.
    With `wait_for_group`, the producer is never more than `max_backlog_bytes` of a partition ahead of what
    that group has committed. With `through`, records go to that gateway instead of Kafka. With `reset`,
    `supertable` in `database` is DROPPED by the driver that it makes.
    """

    brokers: str
    topic: str = "test"
    fleet: FleetSettings = field(default_factory=FleetSettings)
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)
    codec: Literal["msgpack", "json"] = "msgpack"
    rate: float | None = None
    duration: float | None = None
    partitions: int | None = None
    wait_for_group: str | None = None
    max_backlog_bytes: int = 2 << 20
    reset: Callable[[], Driver] | None = field(default=None, repr=False)
    database: str = ""
    supertable: str = "stb"
    through: ThroughOptions | None = None
    stop_deadline: float = 25.0
    connect_timeout: float = 10.0

    def kafka_properties(self) -> dict[str, Any]:
        return {**self.properties, "bootstrap.servers": self.brokers}


@dataclass(frozen=True, slots=True)
class Summary:
    """The account of a run. `failed`: handed over, but not acknowledged; `refused`: never taken."""

    topic: str
    partitions: int
    produced: int
    delivered: int
    failed: int
    refused: int
    poison: int
    stopped: bool
    seconds: float
    seed: int
    start_ns: int

    @property
    def everything_arrived(self) -> bool:
        return self.delivered == self.produced and not self.refused
