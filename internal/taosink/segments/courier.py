"""Parcels on their way to a URL: a bounded queue, a few threads, tries with a growing wait in between."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import structlog

from taosbatch.backoff import Backoff
from taosbatch.fnv import fnv1a_32

log = structlog.get_logger(__name__)

TELL_EVERY = 30.0
PARCEL_OVERHEAD = 1000


class Response(Protocol):
    """How a post ended."""

    @property
    def status(self) -> int: ...
    @property
    def detail(self) -> str: ...
    @property
    def taken(self) -> bool: ...
    @property
    def refused(self) -> bool: ...


class Fate(Enum):
    """DELIVERED: taken with a 2xx. REFUSED: a 4xx that another try would get again. GIVEN_UP: out of tries.
    DROPPED: not wanted any more, and not sent as far as is known."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Bodies to post one after another. Parcels of one `key` (a sender) go in the order in which they were put.
    `ended` is called once, by a courier's thread, with the last answer; never where the courier is stopped
    before the end. `wanted` is asked before each try."""

    key: str
    bodies: Sequence[bytes]
    ended: Callable[[Fate, str], None]
    wanted: Callable[[], bool] = lambda: True

    @property
    def nbytes(self) -> int:
        return PARCEL_OVERHEAD + sum(map(len, self.bodies))


@dataclass(slots=True)
class _Lane:
    parcels: deque[Parcel] = field(default_factory=deque)


class Courier:
    """`start`, then `put` from any thread, then `stop`. `attempts` None tries without end: then what cannot be
    delivered waits, and holds up what is behind it on its thread."""

    def __init__(
        self,
        name: str,
        post: Callable[[bytes], Response],
        *,
        threads: int = 4,
        max_bytes: int = 16 << 20,
        attempts: int | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._post = post
        self._max_bytes = max_bytes
        self._attempts = attempts
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._rand = rand
        self._moved = threading.Condition()
        self._stopped = threading.Event()
        self._failing_since: float | None = None
        self._next_word = 0.0
        self._lanes = [_Lane() for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"{name}-{n}", daemon=True)
            for n, lane in enumerate(self._lanes)
        ]
        self.nbytes = 0
        self.waiting = 0
        self.failure: BaseException | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._stopped.is_set() else "open"
        return f"<Courier {self._name} {state} waiting={self.waiting} bytes={self.nbytes}/{self._max_bytes}>"

    @property
    def failing(self) -> bool:
        """Whether the last try of any parcel found nobody who takes it."""
        return self._failing_since is not None

    def start(self) -> None:
        """Once."""
        for thread in self._threads:
            thread.start()

    def put(self, parcel: Parcel, timeout: float = 0.0) -> bool:
        """False where for `timeout` seconds there was no room, or after `stop`. An empty courier takes a parcel
        of any size."""
        with self._moved:
            if not self._moved.wait_for(lambda: self._has_room(parcel), timeout) or self._stopped.is_set():
                return False
            self.nbytes += parcel.nbytes
            self.waiting += 1
            self._lanes[fnv1a_32(parcel.key) % len(self._lanes)].parcels.append(parcel)
            self._moved.notify_all()
            return True

    def flush(self, timeout: float) -> int:
        """Waits until everything has ended; returns how many parcels have not after `timeout` seconds."""
        with self._moved:
            self._moved.wait_for(lambda: not self.waiting or self.failure is not None, max(0.0, timeout))
            return self.waiting

    def stop(self, timeout: float) -> list[str]:
        """Ends waits between tries; nothing more is begun. Waits `timeout` seconds for posts on the wire;
        returns the names of threads that are still in one."""
        self._stopped.set()
        with self._moved:
            self._moved.notify_all()
        until = self._clock() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - self._clock()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _has_room(self, parcel: Parcel) -> bool:
        return self._stopped.is_set() or not self.waiting or self.nbytes + parcel.nbytes <= self._max_bytes

    def _run(self, lane: _Lane) -> None:
        try:
            while (parcel := self._next(lane)) is not None:
                found = self._carry(parcel)
                if found is None:
                    return
                parcel.ended(*found)
                with self._moved:
                    lane.parcels.popleft()
                    self.nbytes -= parcel.nbytes
                    self.waiting -= 1
                    self._moved.notify_all()
        except BaseException as error:  # a thread that died in silence would hold its parcels for ever
            log.critical(
                "segments.defect", courier=self._name, exc_info=error, do="report it with this trace"
            )
            with self._moved:
                self.failure = error
                self._moved.notify_all()

    def _next(self, lane: _Lane) -> Parcel | None:
        with self._moved:
            self._moved.wait_for(lambda: lane.parcels or self._stopped.is_set())
            return None if self._stopped.is_set() else lane.parcels[0]

    def _carry(self, parcel: Parcel) -> tuple[Fate, str] | None:
        """None where the courier was stopped before the end."""
        sent = failed = 0
        detail = ""
        while sent < len(parcel.bodies):
            if self._stopped.is_set():
                return None
            if not parcel.wanted():
                return Fate.DROPPED, detail
            answer = self._post(parcel.bodies[sent])
            detail = f"{answer.status} {answer.detail}".strip() if answer.status else answer.detail
            if answer.taken:
                self._went_well()
                sent, failed = sent + 1, 0
            elif answer.refused:
                return Fate.REFUSED, detail
            else:
                failed += 1
                if failed == self._attempts:
                    return Fate.GIVEN_UP, detail
                self._went_wrong(detail)
                if self._stopped.wait(self._backoff.delay(failed - 1, self._rand)):
                    return None
        return Fate.DELIVERED, detail

    def _went_well(self) -> None:
        since, self._failing_since = self._failing_since, None
        if since is not None:
            log.info("segments.url_recovered", courier=self._name, after=round(self._clock() - since, 1))

    def _went_wrong(self, detail: str) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now < self._next_word:
            return
        self._next_word = now + TELL_EVERY
        log.warning(
            "segments.url_failing",
            courier=self._name,
            detail=detail,
            waiting=self.waiting,
            meaning="it is tried again; what waits is kept",
        )
