"""Records of one request into Kafka: waits for room, for the broker, and where it was asked for, for the worker."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from taosink.ingress.http.records_body import Rejected
from taosink.ingress.ports import NEVER_TAKEN, Failures, Owed, Publishing, Reply, Uid, WorkerAnswer

_AT_ONCE = 500
"""Values of one call: a call larger than the backlog's bound would never be taken."""
_ASK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: for room in the backlog, for the broker's acknowledgement."""

    room: float = 5.0
    kafka: float = 30.0


class _Part:
    """What was handed over in one call: some records of one device."""

    __slots__ = ("answered", "indices", "reply", "taken")

    def __init__(self, indices: Sequence[int], loop: asyncio.AbstractEventLoop) -> None:
        self.indices = indices
        self.taken: asyncio.Future[Failures] = loop.create_future()
        self.reply: Reply | None = None
        self.answered: asyncio.Future[Sequence[WorkerAnswer]] | None = None

    def done(self, failures: Failures) -> None:
        if not self.taken.done():
            self.taken.set_result(failures)

    def told(self, answers: Sequence[WorkerAnswer]) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(answers)


class Outlet:
    """Publishes for all requests of the listener. On the loop's thread."""

    def __init__(
        self,
        publishing: Publishing,
        waits: Waits,
        *,
        owed: Owed | None = None,
        client: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client` names this listener in reply headers: no TCP client and no earlier process has this id."""
        self._publishing, self._waits, self._owed = publishing, waits, owed
        self.client, self._clock = client, clock
        self._uids = itertools.count(1)
        self._waiting: set[asyncio.Future[None]] = set()
        publishing.on_room(self._room)

    def __repr__(self) -> str:
        return f"<Outlet waiting={len(self._waiting)}>"

    @property
    def answers_stored(self) -> bool:
        """Whether ack=stored can be had."""
        return self._owed is not None

    async def publish(
        self,
        values: Iterable[tuple[int, str, bytes]],
        *,
        stored: bool = False,
        uids: list[Uid] | None = None,
    ) -> list[Rejected]:
        """(index, device, value) in order; returns those that were not acknowledged, in any order. `uids` gets what
        workers' answers are told apart by, one for each part that was handed over.

        Waits for room and for the broker (`stored`: for the worker) and no longer than both waits allow.
        """
        deadline = self._clock() + self._waits.room
        parts: list[_Part] = []
        rejected: list[Rejected] = []
        full = False
        for device, indices, batch in _by_device(values):
            # Behind what was not taken nothing is: a device's later readings would be stored before its earlier.
            part = None if full else await self._hand_over(device, indices, batch, deadline, stored=stored)
            if part is None:
                full = True
                rejected += (Rejected(i, 503, "busy", "Kafka takes no more now") for i in indices)
            else:
                parts.append(part)
                if part.reply is not None and uids is not None:
                    uids.append(part.reply.uid)
        for late in await self._late(parts):
            rejected += (Rejected(i, 503, "unknown_outcome", _UNKNOWN) for i in late.indices)
            self._drop(late)
        for part in parts:
            if part.taken.done():
                rejected += await self._judged(part)
        return rejected

    async def _hand_over(
        self, device: str, indices: Sequence[int], batch: Sequence[bytes], deadline: float, *, stored: bool
    ) -> _Part | None:
        part = _Part(indices, asyncio.get_running_loop())
        reply = self._reply(part, len(batch)) if stored else None
        if stored and reply is None:
            return None
        while not self._publishing.readings(device, batch, part.done, reply):
            left = deadline - self._clock()
            if left <= 0:
                self._drop(part)
                return None
            await self._wait_for_room(min(left, _ASK_AGAIN_S))
        return part

    def _reply(self, part: _Part, count: int) -> Reply | None:
        reply = Reply(self.client, next(self._uids), indexed=True)
        if self._owed is None or not self._owed.add(reply.client, reply.uid, count, self._clock(), part.told):
            return None
        part.reply, part.answered = reply, asyncio.get_running_loop().create_future()
        return reply

    def _drop(self, part: _Part) -> None:
        if part.reply is not None and self._owed is not None:
            self._owed.drop(part.reply.client, part.reply.uid)

    async def _wait_for_room(self, seconds: float) -> None:
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(room)
        try:
            await asyncio.wait((room,), timeout=seconds)
        finally:
            self._waiting.discard(room)

    def _room(self) -> None:
        for room in self._waiting:
            if not room.done():
                room.set_result(None)

    async def _late(self, parts: Sequence[_Part]) -> list[_Part]:
        waiting = [part.taken for part in parts if not part.taken.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=self._waits.kafka)
        return [part for part in parts if not part.taken.done()]

    async def _judged(self, part: _Part) -> list[Rejected]:
        """What the broker, and then the worker, said of a part."""
        failures = part.taken.result()
        rejected = [_not_taken(part.indices[at], why) for at, why in failures.items()]
        if part.answered is None:
            return rejected
        if len(failures) == len(part.indices):
            self._drop(part)
            return rejected
        # A record that the broker did not take has no answer; Owed ends the wait, and then tells what came.
        answers = {one.index or 0: one for one in await part.answered}
        return rejected + _worker_said(part.indices, failures, answers)


_UNKNOWN = "no acknowledgement came in time: it may or may not be stored, and is safe to send again"


def _not_taken(index: int, why: str) -> Rejected:
    if why in NEVER_TAKEN:
        return Rejected(index, 400, "record_rejected", "larger than the topic takes")
    return Rejected(index, 503, "unknown_outcome", f"Kafka: {why}; it is safe to send it again")


def _worker_said(
    indices: Sequence[int], failures: Mapping[int, str], answers: Mapping[int, WorkerAnswer]
) -> list[Rejected]:
    found = []
    for at, index in enumerate(indices):
        answer = answers.get(at)
        if at in failures or (answer is not None and answer.status == "ok"):
            continue
        if answer is None:
            found.append(Rejected(index, 503, "unknown_outcome", _UNKNOWN))
        else:
            found.append(Rejected(index, 400, answer.code or "record_rejected", answer.text))
    return found


def _by_device(
    values: Iterable[tuple[int, str, bytes]],
) -> Iterable[tuple[str, Sequence[int], Sequence[bytes]]]:
    """Each device's records in their order, in calls of at most _AT_ONCE."""
    found: defaultdict[str, tuple[list[int], list[bytes]]] = defaultdict(lambda: ([], []))
    for index, device, value in values:
        indices, batch = found[device]
        indices.append(index)
        batch.append(value)
    for device, (indices, batch) in found.items():
        for start in range(0, len(batch), _AT_ONCE):
            yield device, indices[start : start + _AT_ONCE], batch[start : start + _AT_ONCE]
