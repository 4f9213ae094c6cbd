"""What one device, one address and all of them together may cost. Pure."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection; durations in seconds, sizes in bytes. `rate` 0 is no limit."""

    max_frame: int = 65_536
    max_in_flight: int = 100
    max_output: int = 262_144
    slow_after: float = 30.0
    idle: float = 300.0
    handshake: float = 10.0
    frame: float = 30.0
    busy_after: float = 5.0
    rate: float = 200.0
    burst: int = 400

    def told(self) -> dict[str, int]:
        """What a device has to know of them."""
        return {
            "maxFrame": self.max_frame,
            "maxInFlight": self.max_in_flight,
            "idleTimeoutMs": int(self.idle * 1000),
            "messagesPerSecond": int(self.rate),
        }


class Bucket:
    """A token bucket: `rate` messages a second, `burst` at once after a quiet time."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float) -> bool:
        """Takes one token; False where there is none."""
        tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        self._tokens = tokens - 1.0 if tokens >= 1.0 else tokens
        return tokens >= 1.0


class Buckets:
    """A bucket for each key: one that connects anew finds its own, as empty as it left it. The least used are
    forgotten beyond `keys`."""

    def __init__(self, burst: float, keys: int = 10_000) -> None:
        self._burst, self._keys = burst, keys
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def of(self, key: str, now: float) -> Bucket:
        bucket = self._of.get(key)
        if bucket is not None:
            self._of.move_to_end(key)
            return bucket
        bucket = self._of[key] = Bucket(self._burst, now)
        if len(self._of) > self._keys:
            self._of.popitem(last=False)
        return bucket


class Admission:
    """Counts connections; `enter` says why one more is refused, or nothing where it was counted in."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._of: dict[str, int] = {}
        self.count = 0

    def __repr__(self) -> str:
        return f"<Admission {self.count} of {self._total}, addresses={len(self._of)}>"

    def enter(self, address: str) -> str:
        if self.count >= self._total:
            return "too_many_connections"
        held = self._of.get(address, 0)
        if held >= self._per_address:
            return "too_many_of_address"
        self._of[address] = held + 1
        self.count += 1
        return ""

    def leave(self, address: str) -> None:
        """To be called once for each `enter` that was let in."""
        left = self._of[address] - 1
        if left:
            self._of[address] = left
        else:
            del self._of[address]
        self.count -= 1
