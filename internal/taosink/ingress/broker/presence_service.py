"""Presence on the loop: what sessions do becomes records, and what records mean closes sessions."""

import time
from collections.abc import Callable, Mapping

import structlog

from taosbatch.fnv import partition as partition_of
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outbox import Outbox, Records
from taosink.ingress.broker.presence import SERVER_KEY, Claim, Effect, Presence, Server, device_key, encode
from taosink.ingress.ports import Counting, Downlink

log = structlog.get_logger(__name__)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def text_of(key: bytes | None) -> str:
    """A record's key as it was before it was encoded; what no gateway wrote comes as some other text."""
    try:
        return (key or b"").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return (key or b"").decode("utf-8", "replace")


class PresenceService:
    """`ports.Presence`. Used on the loop's thread; nothing blocks. `tick` is to be called about once a second."""

    def __init__(
        self,
        options: BrokerOptions,
        records: Records,
        downlink: Downlink,
        counting: Counting,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        timings = options.timings
        self._options, self._downlink, self._counting = options, downlink, counting
        self._clock, self._wall_ms = clock, wall_ms
        self._outbox = Outbox(records, options.presence)
        self._at: dict[str, int] = {}
        self._beat_at = 0.0
        self.partitions = options.other_partitions
        self.ready = False
        self.state = Presence(
            options.server, limit=options.max_devices, silent=timings.silent, kept=timings.kept
        )

    def __repr__(self) -> str:
        return f"<PresenceService {self.state!r}, {self._outbox!r}>"

    def claim(self, device: str, client: str) -> None:
        """As `ports.Presence`."""
        at = self._wall_ms()
        before = self.state.client_here(device)
        if before is not None:
            self._at.pop(before, None)
        self.state.hold(device, client)
        self._at[client] = at
        self._say(device, Claim(self._options.server, client, at))

    def gone(self, device: str, client: str) -> None:
        """As `ports.Presence`. One that was replaced has nothing to say any more."""
        self._at.pop(client, None)
        if self.state.release(device, client):
            self._say(device, Claim(self._options.server, client, self._wall_ms(), gone=True))

    def holder(self, device: str) -> Claim | None:
        """Who holds the device, here or at another gateway; None where nobody does."""
        return self.state.holder(device, self._clock())

    def servers(self) -> Mapping[str, Server]:
        """All gateways that are heard of, by id."""
        return self.state.servers(self._clock())

    def leads(self) -> bool:
        return self.state.leads(self._clock())

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """One record of the topic."""
        effect = self.state.apply(text_of(key), value, self._clock())
        if effect is not None:
            self._do(effect)

    def restart(self) -> None:
        """The topic was deleted and made again: everything held here is claimed again."""
        for device, client in self.state.restart():
            self._reclaim(device, client)
        self._beat_at = 0.0

    def caught_up(self) -> None:
        """Everything that stood in the topic at the start has been read."""
        self.ready = True
        for key, claim in self.state.left_behind():
            gone = Claim(claim.server_id, claim.client_id, self._wall_ms(), gone=True)
            self._say_key(key, gone)

    def tick(self) -> None:
        """Heartbeat, records that failed, and what is too old."""
        now = self._clock()
        if now >= self._beat_at:
            self._beat_at = now + self._options.timings.heartbeat
            self._beat(gone=False)
        self._outbox.retry()
        if self.ready and self.state.leads(now):
            for key in self.state.stale(now, self._wall_ms()):
                self._outbox.say(key, None, self._partition(key))

    def farewell(self) -> None:
        """The last record: the devices of this gateway are absent from now on."""
        self._beat(gone=True)

    def _do(self, effect: Effect) -> None:
        self._counting.count("presence", effect.kind)
        if effect.kind == "replaced":
            self.state.release(effect.device, effect.client)
            self._at.pop(effect.client, None)
            self._downlink.replaced(effect.device, effect.client)
        elif effect.kind == "left":
            self._say(effect.device, Claim(self._options.server, effect.client, self._wall_ms(), gone=True))
        else:
            self._reclaim(effect.device, effect.client)

    def _reclaim(self, device: str, client: str) -> None:
        at = self._at.get(client, self._wall_ms())
        self._say(device, Claim(self._options.server, client, at, again=True))

    def _say(self, device: str, claim: Claim) -> None:
        self._say_key(device_key(device), claim, device)

    def _say_key(self, key: str, claim: Claim, device: str | None = None) -> None:
        def again() -> bytes | None:
            # It comes late: what others said meanwhile may be newer.
            if claim.gone:
                return encode(claim)
            here = device is not None and self.state.client_here(device) == claim.client_id
            return encode(Claim(claim.server_id, claim.client_id, claim.at, again=True)) if here else None

        self._outbox.say(key, encode(claim), self._partition(key), again)

    def _beat(self, *, gone: bool) -> None:
        key = SERVER_KEY + self._options.server
        beat = Claim(self._options.server, at=self._wall_ms(), gone=gone, url=self._options.url)
        self._outbox.say(key, encode(beat), self._partition(key))

    def _partition(self, key: str) -> int:
        return partition_of(key, self.partitions)
