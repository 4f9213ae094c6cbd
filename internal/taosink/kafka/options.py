"""What the source needs to know, frozen; made by the composition root from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from taosink.kafka.start import EARLIEST, Start

GroupProtocol = Literal["auto", "consumer", "classic"]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Times in seconds, sizes in bytes. `topics` are names, or one pattern that begins with ^. `security` and
    `properties` may hold secrets and are left out of the repr.

    `prefetch_bytes` bounds librdkafka's queue; `refill_bytes` one poll, with what did not fit into the batch
    queue. `max_ahead` bounds delivered minus committable of a partition, in offsets.
    """

    brokers: str
    group: str
    topics: tuple[str, ...]
    group_protocol: GroupProtocol = "auto"
    assignor: str = ""
    start: Start = EARLIEST
    client_id: str = "taosink"
    static_id: str = ""
    session_timeout: float | None = None
    heartbeat_interval: float | None = None
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    poll_records: int = 1000
    prefetch_bytes: int = 32 << 20
    refill_bytes: int = 16 << 20
    max_ahead: int = 1_000_000
    commit_interval: float = 0.5
    revoke_deadline: float = 5.0

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("no topic is named")
        if min(self.poll_records, self.prefetch_bytes, self.refill_bytes, self.max_ahead) < 1:
            raise ValueError("poll_records, prefetch_bytes, refill_bytes and max_ahead must be positive")

    @property
    def is_pattern(self) -> bool:
        return any(topic.startswith("^") for topic in self.topics)
