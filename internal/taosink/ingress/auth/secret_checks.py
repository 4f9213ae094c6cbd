"""Runs the dear comparisons beside the event loop, a bounded number of them, and remembers what was right."""

import asyncio
import hashlib
import os
import secrets as random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from taosink.ingress.auth.secrets_file import Secrets

Outcome = Literal["right", "wrong", "busy"]
MOST_REMEMBERED = 100_000


class SecretChecks:
    """Compares secrets with a file's. Used from the event loop's thread; `close` ends its threads.

    At most `limit` comparisons by scrypt wait or run, on half of the processors; more are `busy`. A device
    whose secret was right once is compared by a keyed hash afterwards: when all come back at once, none waits.
    """

    def __init__(self, secrets: Secrets, *, limit: int, threads: int = 0) -> None:
        # What was right is kept with the file that it was right by: one assignment replaces both.
        self._known: tuple[Secrets, dict[str, bytes]] = (secrets, {})
        self._limit = limit
        self._pending = 0
        self._key = random.token_bytes(32)
        self._pool = ThreadPoolExecutor(
            threads or max(1, (os.cpu_count() or 1) // 2), thread_name_prefix="taosink-secrets"
        )

    def __repr__(self) -> str:
        return f"<SecretChecks devices={len(self._known[0])} pending={self._pending}/{self._limit}>"

    def replace(self, secrets: Secrets) -> None:
        """Another file's content, from the next check on; what was remembered is forgotten. Thread-safe."""
        self._known = (secrets, {})

    async def check(self, device: str, secret: str) -> Outcome:
        """Whether the secret is the device's, `busy` where too many are being compared."""
        secrets, right = self._known
        if not secrets.slow:
            return "right" if secrets.check(device, secret) else "wrong"
        short = self._short(device, secret)
        if random.compare_digest(right.get(device, b"\0" * len(short)), short):
            return "right"
        if self._pending >= self._limit:
            return "busy"
        if not await self._beside(lambda: secrets.check(device, secret)):
            return "wrong"
        if len(right) < MOST_REMEMBERED:
            right[device] = short
        return "right"

    async def _beside(self, compare: Callable[[], bool]) -> bool:
        self._pending += 1
        future = self._pool.submit(compare)
        # Counted until it has really run: who hangs up would otherwise make room for the next while his
        # comparison still waits in the pool.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _back_on(loop, self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._pending -= 1

    def _short(self, device: str, secret: str) -> bytes:
        both = f"{len(device)}:{device}{secret}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(both, key=self._key, digest_size=32).digest()

    def close(self) -> None:
        """Waits for the comparisons that run and drops those that wait. Idempotent."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _back_on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        # The loop has ended, and nobody counts any more.
        return
