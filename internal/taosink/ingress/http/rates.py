"""Requests a second, per device or address: bounded, the least used are forgotten first. Pure."""

from taosink.ingress.limits import Buckets


class Rates:
    """A bucket per key. `rate` 0 is no limit. On one thread."""

    def __init__(self, rate: float, burst: float, *, keys: int = 10_000) -> None:
        self._rate, self._burst = rate, burst
        self._buckets = Buckets(burst, keys)

    def __repr__(self) -> str:
        return f"<Rates {self._rate:g}/s keys={len(self._buckets)}>"

    def wait(self, key: str, now: float) -> float:
        """0 where the request may go; else seconds after which the next one may."""
        if not self._rate or self._buckets.of(key, now).take(self._rate, self._burst, now):
            return 0.0
        return 1.0 / self._rate
