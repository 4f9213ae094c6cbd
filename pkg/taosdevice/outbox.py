"""What a client has sent and has no answer to, and what it has still to send. Pure: time goes in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taosbatch.backoff import Backoff
from taosdevice.names import BUSY, RETRY_CODES, UNKNOWN, Code, Uid
from taosdevice.outcomes import Outcome, outcome_of


@dataclass(slots=True, eq=False)
class Entry:
    """One request. It keeps its uid and its frame, however often it is sent."""

    uid: Uid
    frame: bytes
    resend: bool = True
    sent: int = 0
    refused: int = 0
    unanswered: int = 0
    outcome: Outcome | None = field(default=None, repr=False)


class Outbox:
    """Requests in the order of their uids. An entry is waiting, on the wire, or put off until a time."""

    def __init__(self, *, answer_timeout: float, tries: int, backoff: Backoff) -> None:
        self._answer_timeout = answer_timeout
        self._tries = tries
        self._backoff = backoff
        self._waiting: dict[Uid, Entry] = {}
        self._wire: dict[Uid, tuple[Entry, float]] = {}
        self._put_off: dict[Uid, tuple[Entry, float]] = {}

    def __repr__(self) -> str:
        return f"<Outbox waiting={len(self._waiting)} wire={len(self._wire)} put_off={len(self._put_off)}>"

    def __len__(self) -> int:
        return len(self._waiting) + len(self._wire) + len(self._put_off)

    @property
    def on_the_wire(self) -> int:
        """Requests whose answer is awaited."""
        return len(self._wire)

    def add(self, entry: Entry) -> None:
        self._waiting[entry.uid] = entry

    def drop(self, uid: Uid) -> None:
        """Nobody waits for it any more; an answer that comes is passed over."""
        for group in (self._waiting, self._wire, self._put_off):
            group.pop(uid, None)

    def take(self, now: float) -> Entry | None:
        """The next to be written; it counts as on the wire from here."""
        if not self._waiting:
            return None
        uid = next(iter(self._waiting))
        entry = self._waiting.pop(uid)
        entry.sent += 1
        self._wire[uid] = (entry, now + self._answer_timeout)
        return entry

    def answered(self, answer: Mapping[str, Any], now: float, rand: float) -> Entry | None:
        """The entry that this answer ends, with its outcome; None where it is put off, or nobody's."""
        uid = answer.get("uid")
        if isinstance(uid, bool) or not isinstance(uid, (str, int)) or uid not in self._wire:
            return None
        entry, _ = self._wire.pop(uid)
        outcome = outcome_of(answer, entry.sent)
        unknown = outcome.status == UNKNOWN or outcome.code in (Code.UNKNOWN_OUTCOME, Code.TIMEOUT)
        if unknown:
            return self._unanswered(entry, outcome)
        if outcome.status == BUSY or outcome.code in RETRY_CODES:
            self._put_off[uid] = (entry, now + self._backoff.delay(entry.refused, lambda: rand))
            entry.refused += 1
            return None
        entry.outcome = outcome
        return entry

    def lost(self) -> list[Entry]:
        """The connection has ended: what was on the wire comes first next time, with the same uids.

        What must not be sent twice ends here, and is given back.
        """
        ended = []
        again: dict[Uid, Entry] = {}
        for uid, (entry, _) in self._wire.items():
            if entry.resend:
                again[uid] = entry
            else:
                entry.outcome = _silence("the connection was lost before the answer", entry.sent)
                ended.append(entry)
        self._wire.clear()
        self._waiting = again | self._waiting
        return ended

    def expire(self, now: float) -> list[Entry]:
        """Moves on what is due: what was put off is waiting again; gives back what ends without an answer."""
        for uid, (entry, _) in [item for item in self._put_off.items() if item[1][1] <= now]:
            del self._put_off[uid]
            self._waiting[uid] = entry
        ended = []
        for uid, (entry, until) in list(self._wire.items()):
            if until > now:
                break  # they were sent in this order, with one timeout
            del self._wire[uid]
            if self._unanswered(entry, _silence("no answer came in time", entry.sent)):
                ended.append(entry)
        return ended

    def next_due(self) -> float | None:
        """When `expire` has something to do."""
        times = [until for _, until in self._put_off.values()]
        if self._wire:
            times.append(next(iter(self._wire.values()))[1])
        return min(times, default=None)

    def end(self) -> list[Entry]:
        """Everything, forgotten."""
        entries = [*self._waiting.values()]
        entries += [entry for group in (self._wire, self._put_off) for entry, _ in group.values()]
        for group in (self._waiting, self._wire, self._put_off):
            group.clear()
        return entries

    def _unanswered(self, entry: Entry, outcome: Outcome) -> Entry | None:
        entry.unanswered += 1
        if entry.resend and entry.unanswered < self._tries:
            self._waiting[entry.uid] = entry
            return None
        entry.outcome = outcome
        return entry


def _silence(text: str, sent: int) -> Outcome:
    return Outcome(UNKNOWN, None, Code.UNKNOWN_OUTCOME, f"{text}; it is safe to send it again", sent)
