"""Requests a second, per device or address: bounded, the least used are forgotten first. Pure."""

from collections import OrderedDict

from taosink.ingress.limits import Bucket


class Rates:
    """A bucket per key. `rate` 0 is no limit. On one thread."""

    def __init__(self, rate: float, burst: float, *, keys: int = 10_000) -> None:
        self._rate, self._burst, self._keys = rate, burst, keys
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Rates {self._rate:g}/s keys={len(self._buckets)}>"

    def wait(self, key: str, now: float) -> float:
        """0 where the request may go; else seconds after which the next one may."""
        if not self._rate:
            return 0.0
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._burst, now)
            if len(self._buckets) > self._keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return 0.0 if bucket.take(self._rate, self._burst, now) else 1.0 / self._rate
