"""Commands to devices, from the records of the commands topic alone. Pure.

A command's records stand in one partition. It goes queued -> delivered -> answered or expired, never back, and the
first final state in the topic's order is kept. The broker compacts: of old records only the last is left, so each says
all that matters, and where one came late and changed nothing somebody who knows better says the state again.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

State = Literal["queued", "delivered", "answered", "expired"]
Meaning = Literal["new", "moved", "same", "ignored", "deleted", "unknown", "overflow", "broken"]


class CommandRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A value of the commands topic. Times in ms since 1970. `client_id`: for that connection only.

    `settled`: the state said again, by who has seen the command from its beginning.
    """

    id: str
    device_uid: str
    state: State
    created_at: int
    ttl_ms: int
    state_at: int
    data: Any = None
    client_id: str = ""
    answer: bool = False
    result: Any = None
    reason: str = ""
    settled: bool = False

    @property
    def final(self) -> bool:
        return self.state in _FINAL or (self.state == "delivered" and not self.answer)

    @property
    def rank(self) -> int:
        return 2 if self.final else 1 if self.state == "delivered" else 0

    @property
    def ends_at(self) -> int:
        return self.created_at + self.ttl_ms

    def moved(self, state: State, at: int, *, result: Any = None, reason: str = "") -> "CommandRecord":
        """The record that says its next state. What has ended needs no data any more."""
        later = msgspec.structs.replace(
            self, state=state, state_at=at, result=result, reason=reason, settled=False
        )
        return msgspec.structs.replace(later, data=None) if later.final else later

    def as_settled(self) -> "CommandRecord":
        """The same state, said again for those who begin to read later."""
        return msgspec.structs.replace(self, settled=True)


@dataclass(frozen=True, slots=True)
class Change:
    """What a record meant. `command` is the state after it; `known` that it was seen from its beginning."""

    meaning: Meaning
    command: CommandRecord | None = None
    known: bool = False


_FINAL = frozenset({"answered", "expired"})
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CommandRecord).decode


def encode(record: CommandRecord) -> bytes:
    return _encode(record)


class Commands:
    """The commands of all devices. Used by one thread. `kept_ms` is for how long what has ended is remembered.

    `limit` bounds all of them: beyond it new ones are passed over (`overflow`). Set `live` when what stood in the
    topic at the start has been read: what begins from then on is known from its beginning.
    """

    def __init__(self, *, limit: int = 100_000, per_device: int = 100, kept_ms: int = 3_600_000) -> None:
        self.live = False
        self._limit, self._per_device, self._kept_ms = limit, per_device, kept_ms
        self._all: dict[str, CommandRecord] = {}
        self._known: set[str] = set()
        self._devices: dict[str, dict[str, None]] = {}
        self._open: dict[str, int] = {}
        self._due: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Commands {len(self._all)} of {len(self._devices)} devices>"

    def __len__(self) -> int:
        return len(self._all)

    @property
    def opened(self) -> int:
        """Those without a final state."""
        return sum(self._open.values())

    @property
    def queued(self) -> int:
        """Those that were not delivered yet. Looks at all of them."""
        return sum(record.state == "queued" for record in self._all.values())

    def get(self, command: str) -> CommandRecord | None:
        return self._all.get(command)

    def of_device(self, device: str) -> list[CommandRecord]:
        """All that are remembered, in the topic's order."""
        return [self._all[command] for command in self._devices.get(device, ())]

    def open(self, device: str) -> list[CommandRecord]:
        """Those without a final state, in the order in which they are to be delivered."""
        return [record for record in self.of_device(device) if not record.final]

    def room(
        self, device: str, coming: int = 0, coming_in_all: int = 0
    ) -> Literal["", "too_many", "too_many_for_device"]:
        """Whether one more may be put; `coming` are on their way for this device."""
        if len(self._all) + max(coming, coming_in_all) >= self._limit:
            return "too_many"
        return "too_many_for_device" if self._open.get(device, 0) + coming >= self._per_device else ""

    def apply(self, key: str, value: bytes | None) -> Change:
        """One record. What cannot be understood is passed over."""
        before = self._all.get(key)
        if not value:
            if before is None:
                return Change("unknown")
            self._remove(before)
            return Change("deleted", before)
        try:
            record = _decode(value)
        except (msgspec.DecodeError, RecursionError):
            return Change("broken")
        if record.id != key or (before is not None and before.device_uid != record.device_uid):
            return Change("broken")
        if before is None:
            return self._add(record)
        return self._move(before, record)

    def due(self, now_ms: int, most: int = 500) -> Iterator[CommandRecord]:
        """Commands whose time to live is over and that have no final state, or whose final state is older than what
        is kept. Each comes once, unless it is given to `again`."""
        while most and self._due and self._due[0][0] <= now_ms:
            at, command = heapq.heappop(self._due)
            if self._next.get(command) != at:
                continue  # it has a later time by now, or is gone
            del self._next[command]
            most -= 1
            yield self._all[command]

    def again(self, record: CommandRecord, at_ms: int) -> None:
        """It comes out of `due` again at that time, if nothing has happened to it."""
        if record.id in self._all:
            self._next[record.id] = at_ms
            heapq.heappush(self._due, (at_ms, record.id))

    def restart(self) -> None:
        """The topic is read anew from its beginning."""
        self._all.clear()
        self._known.clear()
        self._devices.clear()
        self._open.clear()
        self._due.clear()
        self._next.clear()

    def _add(self, record: CommandRecord) -> Change:
        if len(self._all) >= self._limit:
            return Change("overflow")
        self._all[record.id] = record
        self._devices.setdefault(record.device_uid, {})[record.id] = None
        if not record.final:
            self._open[record.device_uid] = self._open.get(record.device_uid, 0) + 1
        if self.live:
            self._known.add(record.id)
        self.again(record, self._due_at(record))
        return Change("new", record, self.live)

    def _move(self, before: CommandRecord, record: CommandRecord) -> Change:
        known = record.id in self._known
        said = (record.state, record.result, record.reason)
        if said == (before.state, before.result, before.reason):
            return Change("same", before, known)
        # Whoever began to read in the middle may have taken a late record for the first.
        corrected = record.settled and record.final and not known
        if record.rank <= before.rank and not corrected:
            return Change("ignored", before, known)
        self._all[record.id] = record
        if record.final and not before.final:
            self._close(record)
            self.again(record, self._due_at(record))
        return Change("moved", record, known)

    def _remove(self, record: CommandRecord) -> None:
        del self._all[record.id]
        self._next.pop(record.id, None)
        self._known.discard(record.id)
        of_device = self._devices[record.device_uid]
        del of_device[record.id]
        if not of_device:
            del self._devices[record.device_uid]
        if not record.final:
            self._close(record)

    def _close(self, record: CommandRecord) -> None:
        left = self._open[record.device_uid] - 1
        if left:
            self._open[record.device_uid] = left
        else:
            del self._open[record.device_uid]

    def _due_at(self, record: CommandRecord) -> int:
        return record.state_at + self._kept_ms if record.final else record.ends_at
