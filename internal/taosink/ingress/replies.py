"""Requests that are published and not answered yet: what the broker and the workers say of them becomes one
answer, which never promises more than both have."""

from collections.abc import Mapping, Sequence
from typing import Any

from taosdevice.protocol import (
    BATCH,
    BUSY,
    DATA,
    ERROR,
    OK,
    PARTIAL,
    REJECTED,
    UNKNOWN,
    Code,
    answer,
    rejected_entry,
)
from taosink.ingress import spoken
from taosink.ingress.ports import NEVER_TAKEN, Counting, Failures, Uid, WorkerAnswer
from taosink.ingress.session import Session
from taosink.ingress.wire import OK_DATA

NOT_TAKEN = "Kafka did not acknowledge it; it may be stored all the same, and is safe to send again"
TOO_LARGE = "larger than Kafka takes"
NOT_TOLD = "no worker answered in time; it may be stored all the same, and is safe to send again"


class Pending:
    """One `data` or `batch` in flight. `published` or `told` ends it, once; `places` are the indices in the
    device's batch of the records that were published, None where that is all of them."""

    __slots__ = ("began", "counting", "failed", "places", "rejected", "session", "size", "stored", "uid")

    def __init__(
        self,
        session: Session,
        uid: Uid | None,
        counting: Counting,
        began: float,
        *,
        stored: bool,
        size: int = -1,
    ) -> None:
        """`size` is the number of records of a batch, -1 for a single one."""
        self.session = session
        self.uid = uid
        self.counting = counting
        self.began = began
        self.stored = stored
        self.size = size
        self.rejected: Sequence[Mapping[str, Any]] = ()
        self.places: Sequence[int] | None = None
        self.failed: Failures = _NONE

    @property
    def action(self) -> str:
        return DATA if self.size < 0 else BATCH

    def nothing(self, now: float) -> None:
        """There was nothing to publish."""
        self.session.in_flight += 1
        self._finish(now, _BROKER, ())

    def acknowledged(self, failures: Failures, now: float) -> None:
        """The broker's word, where it is all that was asked for."""
        self.failed = failures
        self._finish(now, _BROKER, ())

    def told(self, answers: Sequence[WorkerAnswer], now: float) -> None:
        """The workers' word; records of which they said nothing are unknown."""
        self._finish(now, _BOTH, answers)

    def _finish(self, now: float, kind: str, answers: Sequence[WorkerAnswer]) -> None:
        session = self.session
        session.in_flight -= 1
        if kind is _BROKER and self.size < 0 and not self.failed:
            session.write(OK_DATA.frame(session.sure_framing, self.uid))
            status = OK
        else:
            message = self._message(kind, answers)
            status = message["status"]
            session.send(message)
        self.counting.count("answer", status)
        spoken.ended(session, self.action, self.uid, status, now - self.began)
        if status == OK:
            self.counting.took(kind, now - self.began)

    def _message(self, kind: str, answers: Sequence[WorkerAnswer]) -> dict[str, Any]:
        if self.size < 0:
            return self._single(kind, answers)
        return self._batch(kind, answers)

    def _single(self, kind: str, answers: Sequence[WorkerAnswer]) -> dict[str, Any]:
        if self.failed:
            if never_taken(self.failed):
                return answer(DATA, self.uid, REJECTED, code=Code.RECORD_REJECTED, text=TOO_LARGE)
            return answer(DATA, self.uid, UNKNOWN, code=Code.UNKNOWN_OUTCOME, text=NOT_TAKEN)
        if kind is _BROKER:
            return answer(DATA, self.uid, OK)
        if not answers:
            return answer(DATA, self.uid, UNKNOWN, code=Code.UNKNOWN_OUTCOME, text=NOT_TOLD)
        said = answers[0]
        if said.status == OK:
            return answer(DATA, self.uid, OK)
        return answer(DATA, self.uid, REJECTED, code=said.code or Code.RECORD_REJECTED, text=said.text)

    def _batch(self, kind: str, answers: Sequence[WorkerAnswer]) -> dict[str, Any]:
        places = self.places if self.places is not None else range(self.size - len(self.rejected))
        bad = list(self.rejected)
        never = never_taken(self.failed)
        bad += [rejected_entry(places[i], Code.RECORD_REJECTED, TOO_LARGE) for i in never]
        unknown = {i: NOT_TAKEN for i in self.failed if i not in never}
        if kind is _BOTH:
            said = {a.index or 0: a for a in answers}
            unknown |= {i: NOT_TOLD for i in range(len(places)) if i not in said and i not in self.failed}
            bad += [
                rejected_entry(places[i], a.code or Code.RECORD_REJECTED, a.text)
                for i, a in said.items()
                if a.status != OK and i < len(places) and i not in self.failed
            ]
        accepted = self.size - len(bad) - len(unknown)
        bad += [rejected_entry(places[i], Code.UNKNOWN_OUTCOME, why) for i, why in unknown.items()]
        bad.sort(key=lambda entry: int(entry["index"]))
        status = UNKNOWN if unknown else OK if not bad else PARTIAL if accepted else REJECTED
        code = Code.UNKNOWN_OUTCOME if unknown else ""
        return answer(BATCH, self.uid, status, data={"accepted": accepted, "rejected": bad}, code=code)


def never_taken(failures: Failures) -> set[int]:
    """The places of what the broker will not take however often it is sent; of the others nobody knows."""
    return {place for place, why in failures.items() if why in NEVER_TAKEN}


def refusal(action: str, uid: Uid | None, code: str, text: str = "") -> dict[str, Any]:
    """A request that was not done, for a reason that is of the moment: it is safe to send again."""
    return answer(action, uid, BUSY, code=code, text=text or _REFUSALS[code])


def mistake(action: str, uid: Uid | None, code: str, text: str) -> dict[str, Any]:
    """A request that cannot be done as it is."""
    return answer(action, uid, REJECTED if code in _REJECTIONS else ERROR, code=code, text=text)


_NONE: Failures = {}
_BROKER, _BOTH = "kafka", "stored"
_REJECTIONS = frozenset({Code.RECORD_REJECTED, Code.WRONG_DEVICE})
_REFUSALS = {
    Code.BUSY: "there is no room now; send it again later",
    Code.RATE_LIMITED: "more messages than this device may send; wait and send it again",
    Code.TOO_MANY_IN_FLIGHT: "too many requests wait for an answer; wait for some of them",
    Code.SHUTTING_DOWN: "the gateway stops; send it again after connecting anew",
}
