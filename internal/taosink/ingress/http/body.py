"""Reads a request's body within bounds: bytes as sent, bytes inflated, time, and all bodies together."""

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from taosink.ingress.http.errors import Problem, later

_GZIP = 31
"""zlib's window bits for a gzip header and 32 KiB (https://zlib.net/manual.html, inflateInit2)."""
_LEAST_PIECE = 65_536
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Of one body, bytes and seconds; `all_bytes` of all bodies in memory together."""

    bytes: int = 8 << 20
    idle_seconds: float = 10.0
    seconds: float = 60.0
    all_bytes: int = 64 << 20


class Memory:
    """What all bodies under way take, in bytes. On the loop's thread."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Memory {self.taken} of {self._bound}>"

    def take(self, nbytes: int) -> None:
        """Raises Problem 429 where that is too much; nothing is taken then."""
        if self.taken + nbytes > self._bound:
            raise later(429, "too_many_in_flight", "too many requests are under way: send it again later", 1)
        self.taken += nbytes

    def give(self, nbytes: int) -> None:
        self.taken -= nbytes


class Body:
    """One request's body, read once. `async with` gives its memory back."""

    def __init__(
        self,
        headers: Headers,
        receive: Receive,
        limits: BodyLimits,
        memory: Memory,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._headers = headers
        self._receive, self._limits, self._memory, self._clock = receive, limits, memory, clock
        self._held = 0
        self._more, self._slow = True, False

    def __repr__(self) -> str:
        return f"<Body held={self._held}>"

    async def __aenter__(self) -> "Body":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._memory.give(self._held)
        self._held = 0

    async def read(self) -> bytes:
        """All of it, inflated. Raises Problem: 400 (gzip that is none), 408, 413, 415, 429; ClientDisconnect."""
        inflate = _inflater(self._headers.get("content-encoding", ""))
        declared = self._headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limits.bytes:
            raise self._too_large()
        pieces, sent, total = bytearray(), 0, 0
        deadline = self._clock() + self._limits.seconds
        while self._more:
            piece = await self._piece(deadline)
            sent += len(piece)
            if sent > self._limits.bytes:
                raise self._too_large()
            again = bool(piece)
            while again:
                # Inflating stops one byte past the bound, so a bomb never stands in memory.
                out, piece, again = inflate.feed(piece, self._limits.bytes + 1 - total)
                total += len(out)
                if total > self._limits.bytes:
                    raise self._too_large()
                self._hold(len(out))
                pieces += out
        if not inflate.whole:
            raise Problem(400, "bad_body", "the gzip stream ends too early: the body was cut on its way")
        return bytes(pieces)

    async def drain(self) -> bool:
        """Throws away what still comes, for a moment: a client that is cut while it sends never reads why.

        False where more may come: the connection is to be closed.
        """
        if self._more and (self._slow or "expect" in self._headers):
            return False  # it sends nothing now: it is too slow, or waits to be asked for its body
        try:
            async with asyncio.timeout(_DRAIN_S):
                left = self._limits.bytes
                while self._more and left > 0:
                    left -= len(await self._piece(self._clock() + _DRAIN_S))
        except (TimeoutError, ClientDisconnect, Problem):
            return False
        return not self._more

    async def _piece(self, deadline: float) -> bytes:
        seconds = min(self._limits.idle_seconds, deadline - self._clock())
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            self._slow = True
            raise Problem(408, "timeout", "the body did not come whole in time") from None
        if message["type"] != "http.request":
            self._more = False
            raise ClientDisconnect
        self._more = message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _hold(self, nbytes: int) -> None:
        self._memory.take(nbytes)
        self._held += nbytes

    def _too_large(self) -> Problem:
        text = f"the body is larger than {self._limits.bytes} bytes, as sent or inflated: send less at once"
        return Problem(413, "body_too_large", text)


class _Plain:
    whole = True

    def feed(self, piece: bytes, room: int) -> tuple[bytes, bytes, bool]:
        return piece[:room], b"", False


class _Gzip:
    """One or more gzip members, one behind the other (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    @property
    def whole(self) -> bool:
        return not self._begun

    def feed(self, piece: bytes, room: int) -> tuple[bytes, bytes, bool]:
        """What comes out, what is still to be fed, and whether to call again before more has come."""
        if not self._begun:
            self._member, self._begun = zlib.decompressobj(_GZIP), True
        most = min(room, max(_LEAST_PIECE, 8 * len(piece)))
        try:
            out = self._member.decompress(piece, most)
        except zlib.error:
            raise Problem(400, "bad_body", "the body is no gzip, though Content-Encoding says so") from None
        if self._member.eof:
            self._begun = False
            return out, self._member.unused_data, bool(self._member.unused_data)
        # zlib may have taken all of the input and still hold output back.
        return out, self._member.unconsumed_tail, len(out) == most


def _inflater(encoding: str) -> _Plain | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
    raise Problem(
        415, "unsupported_encoding", "Content-Encoding may be gzip, or left out", {"accept-encoding": "gzip"}
    )
