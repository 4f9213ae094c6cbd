"""From segments to messages: pure, segments and `now` go in, ended messages come out."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from math import inf
from typing import Generic, Literal, Protocol, TypeVar

from taosbatch.offsets import Lane
from taosbatch.segments import Segment, join, legible

SEGMENT_OVERHEAD = 400
"""Bytes that a held segment costs beyond its payload: its place, its slots, and its part of the message."""
MESSAGE_OVERHEAD = 600
_DIGEST = 8


class Place(Protocol):
    """Where a segment was read."""

    @property
    def lane(self) -> Lane: ...


P = TypeVar("P", bound=Place)
Why = Literal["complete", "quiet", "age", "conflict", "evicted", "not_text"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes. `quiet`: a message is lost that long after its last new segment; `age`: after its
    first, whatever comes. `max_total`: the most segments that a message may have. What is remembered of
    complete messages, so that a late copy of a segment begins no new one, is kept for `age` in a quarter of
    `max_bytes` on top."""

    quiet: float = 3.0
    age: float = 60.0
    max_bytes: int = 64 << 20
    max_messages: int = 100_000
    max_total: int = 10_000

    def __post_init__(self) -> None:
        if min(self.quiet, self.age, self.max_bytes, self.max_messages, self.max_total) <= 0:
            raise ValueError(f"needs limits above zero: {self!r}")


@dataclass(frozen=True, slots=True)
class Ended(Generic[P]):
    """A message that ended, and the places of every segment that it held: they may be committed once it is
    delivered. `text` is all of it, or of a lost one what was there (U+FFFD for halves of characters)."""

    sender: str
    sent_at: str
    text: str
    why: Why
    total: int
    received: int
    places: tuple[P, ...]

    @property
    def lost(self) -> bool:
        return self.why != "complete"


@dataclass(frozen=True, slots=True)
class Ignored(Generic[P]):
    """A segment that belongs to no message any more, or to none at all; its place may be committed."""

    place: P
    why: Literal["duplicate", "conflict", "limits"]


class _Message(Generic[P]):
    __slots__ = ("first_at", "last_at", "nbytes", "payloads", "places", "spoiled", "total")

    def __init__(self, total: int, now: float) -> None:
        self.total = total
        self.first_at = self.last_at = now
        self.nbytes = MESSAGE_OVERHEAD
        self.payloads: dict[int, str] = {}
        self.places: dict[int, P] = {}
        self.spoiled = False


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[P]):
    total: int
    digests: bytes
    places: tuple[P, ...]
    until: float

    @property
    def nbytes(self) -> int:
        return MESSAGE_OVERHEAD + len(self.digests)


class Assembler(Generic[P]):
    """Messages by sender and send time. Not thread-safe: one owner. Time enters as `now` only.

    An equal copy of a segment is ignored. A segment that contradicts (another payload under the same number,
    another total) spoils its message: which of the two is right nobody knows, so it is reported as lost
    (`conflict`) when its time is over, with what came first; until then what else comes of it is ignored.
    Beyond its bounds the oldest message is reported as lost (`evicted`).
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: OrderedDict[tuple[str, str], _Message[P]] = OrderedDict()
        self._done: OrderedDict[tuple[str, str], _Remembered[P]] = OrderedDict()
        self._done_bytes = 0
        self.nbytes = 0

    def __repr__(self) -> str:
        return f"<Assembler messages={len(self._open)} bytes={self.nbytes}/{self._limits.max_bytes}>"

    def __len__(self) -> int:
        """Messages that are incomplete."""
        return len(self._open)

    def add(self, segment: Segment, place: P, now: float) -> list[Ended[P] | Ignored[P]]:
        """What this segment ends: nothing, its message, itself, or others that had to make room."""
        if not 1 <= segment.number <= segment.total <= self._limits.max_total:
            return [Ignored(place, "limits")]
        if self._is_late_copy(segment):
            return [Ignored(place, "duplicate")]
        message = self._open.get(segment.key)
        if message is None:
            message = self._open[segment.key] = _Message(segment.total, now)
            self.nbytes += message.nbytes
        elif ignored := self._ignored(message, segment, place, now):
            return [ignored]
        self._keep(message, segment, place, now)
        ended: list[Ended[P] | Ignored[P]] = []
        if len(message.payloads) == message.total and not message.spoiled:
            ended.append(self._complete(segment.key, now))
        while self.nbytes > self._limits.max_bytes or len(self._open) > self._limits.max_messages:
            ended.append(self._lose(next(iter(self._open)), "evicted"))
        return ended

    def expire(self, now: float, read_to: Mapping[Lane, float] | None = None) -> list[Ended[P]]:
        """The messages whose time is over, oldest first. `read_to`: up to which time each lane has been read (all of
        them up to `now`, where not given). What was written later may complete a message, so silence and age count
        up to there alone; a lane that is not named says nothing yet."""
        self._forget_old(now)
        over = []
        for key, message in self._open.items():
            until = now
            if read_to is not None:
                lanes = {place.lane for place in message.places.values()}
                until = min(now, *(read_to.get(lane, -inf) for lane in lanes))
            if why := self._why_over(message, until):
                over.append((key, why))
        return [self._lose(key, why) for key, why in over]

    def drop(self, gone: Callable[[P], bool]) -> int:
        """Forgets every segment whose place is gone (its next owner reads it again), and what is remembered of
        complete messages that had one there. Returns how many segments were forgotten; nothing is reported."""
        dropped = 0
        for key, message in list(self._open.items()):
            for number in [n for n, place in message.places.items() if gone(place)]:
                freed = _cost(message.payloads.pop(number))
                del message.places[number]
                message.nbytes -= freed
                self.nbytes -= freed
                dropped += 1
            if not message.places:
                self.nbytes -= self._open.pop(key).nbytes
        # Complete is not delivered: what was not delivered before its lane went comes again, and counts.
        for key, kept in list(self._done.items()):
            if any(map(gone, kept.places)):
                self._done_bytes -= self._done.pop(key).nbytes
        return dropped

    def _why_over(self, message: _Message[P], now: float) -> Why | None:
        limits = self._limits
        why: Why = "age" if now - message.first_at >= limits.age else "quiet"
        if why == "quiet" and now - message.last_at < limits.quiet:
            return None
        return "conflict" if message.spoiled else why

    def _ignored(self, message: _Message[P], segment: Segment, place: P, now: float) -> Ignored[P] | None:
        held = message.payloads.get(segment.number)
        if segment.total == message.total and held == segment.payload:
            return Ignored(place, "duplicate")
        if segment.total != message.total or held is not None:
            message.spoiled = True
        if not message.spoiled:
            return None
        # Its sender is not done: forgotten now, what still comes would be reported as lost a second time.
        message.last_at = now
        return Ignored(place, "conflict")

    def _keep(self, message: _Message[P], segment: Segment, place: P, now: float) -> None:
        message.payloads[segment.number] = segment.payload
        message.places[segment.number] = place
        message.last_at = now
        added = _cost(segment.payload)
        message.nbytes += added
        self.nbytes += added

    def _complete(self, key: tuple[str, str], now: float) -> Ended[P]:
        message = self._take(key)
        payloads = [message.payloads[n] for n in range(1, message.total + 1)]
        self._remember(key, message, payloads, now)
        try:
            return _ended(key, message, "complete", join(payloads))
        except ValueError:
            return _ended(key, message, "not_text", legible(payloads))

    def _lose(self, key: tuple[str, str], why: Why) -> Ended[P]:
        message = self._take(key)
        return _ended(key, message, why, "".join(map(legible, _runs(message.payloads))))

    def _take(self, key: tuple[str, str]) -> _Message[P]:
        message = self._open.pop(key)
        self.nbytes -= message.nbytes
        return message

    def _remember(self, key: tuple[str, str], message: _Message[P], payloads: list[str], now: float) -> None:
        if key in self._done:
            self._done_bytes -= self._done.pop(key).nbytes
        places = tuple({place.lane: place for place in message.places.values()}.values())
        kept = _Remembered(message.total, b"".join(map(_digest, payloads)), places, now + self._limits.age)
        self._done[key] = kept
        self._done_bytes += kept.nbytes
        while self._done_bytes > self._limits.max_bytes // 4:
            self._done_bytes -= self._done.popitem(last=False)[1].nbytes

    def _is_late_copy(self, segment: Segment) -> bool:
        kept = self._done.get(segment.key)
        if kept is None or kept.total != segment.total or segment.key in self._open:
            return False
        at = (segment.number - 1) * _DIGEST
        return kept.digests[at : at + _DIGEST] == _digest(segment.payload)

    def _forget_old(self, now: float) -> None:
        while self._done and next(iter(self._done.values())).until <= now:
            self._done_bytes -= self._done.popitem(last=False)[1].nbytes


def _ended(key: tuple[str, str], message: _Message[P], why: Why, text: str) -> Ended[P]:
    places = tuple(place for _, place in sorted(message.places.items()))
    return Ended(*key, text, why, message.total, len(message.payloads), places)


def _runs(payloads: dict[int, str]) -> Iterator[list[str]]:
    """What stands together: halves on both sides of a gap are no character."""
    numbers = sorted(payloads)
    run: list[str] = []
    for number, following in pairwise([*numbers, -1]):
        run.append(payloads[number])
        if following != number + 1:
            yield run
            run = []


def _cost(payload: str) -> int:
    # A text with one character beyond the basic plane holds four bytes for each of its characters.
    return SEGMENT_OVERHEAD + 4 * len(payload)


def _digest(payload: str) -> bytes:
    return blake2b(payload.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
