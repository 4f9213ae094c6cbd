"""Answers that workers owe: bounded, each with an end. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from taosink.ingress.ports import Uid, WorkerAnswer

Told = Callable[[Sequence[WorkerAnswer]], None]


@dataclass(slots=True)
class _Debt:
    until: float
    left: int
    done: Told
    ticket: int | None
    answers: dict[int, WorkerAnswer] = field(default_factory=dict)


class OwedAnswers:
    """Requests with ack=stored that wait for their workers. All of them wait equally long, so the oldest is
    always the first to end."""

    def __init__(self, timeout: float, bound: int) -> None:
        self._timeout = timeout
        self._bound = bound
        self._debts: OrderedDict[tuple[str, Uid], _Debt] = OrderedDict()
        self._of: dict[str, set[Uid]] = {}

    def __repr__(self) -> str:
        return f"<OwedAnswers {len(self._debts)} of {self._bound}>"

    def __len__(self) -> int:
        return len(self._debts)

    def add(
        self, client: str, uid: Uid, count: int, now: float, done: Told, *, ticket: int | None = None
    ) -> bool:
        """As `ports.Owed`. An answer with another ticket is none to this request."""
        key = (client, uid)
        if len(self._debts) >= self._bound or key in self._debts:
            return False
        self._debts[key] = _Debt(now + self._timeout, count, done, ticket)
        self._of.setdefault(client, set()).add(uid)
        return True

    def holds(self, client: str, uid: Uid) -> bool:
        return (client, uid) in self._debts

    def drop(self, client: str, uid: Uid) -> None:
        if (client, uid) in self._debts:
            self._take((client, uid))

    def forget(self, client: str) -> int:
        """Whoever waited has gone; returns how many requests that were. Who comes and goes would fill the bound
        for everybody otherwise."""
        uids = tuple(self._of.get(client, ()))
        for uid in uids:
            self._take((client, uid))
        return len(uids)

    def shorten(self, client: str, uid: Uid, count: int) -> None:
        """`count` answers will never come (the broker did not take those records); the rest is awaited."""
        debt = self._debts.get((client, uid))
        if debt is not None:
            debt.left -= count
            self._settle((client, uid), debt)

    def tell(self, answers: Iterable[WorkerAnswer]) -> int:
        """What workers said; returns how many answers nobody waits for. Repeated ones count once."""
        strangers = 0
        for answer in answers:
            key = (answer.client, answer.uid)
            debt = self._debts.get(key)
            if debt is None or answer.ticket not in (None, debt.ticket):
                strangers += 1
                continue
            place = answer.index or 0
            if place not in debt.answers:
                debt.answers[place] = answer
                debt.left -= 1
                self._settle(key, debt)
        return strangers

    def expire(self, now: float) -> int:
        """Ends what has waited long enough, with the answers that came; returns how many requests that were."""
        late = list(self._late(now))
        for key in late:
            debt = self._take(key)
            debt.done(tuple(debt.answers.values()))
        return len(late)

    def _late(self, now: float) -> Iterator[tuple[str, Uid]]:
        for key, debt in self._debts.items():
            if debt.until > now:
                return
            yield key

    def _settle(self, key: tuple[str, Uid], debt: _Debt) -> None:
        if debt.left <= 0:
            self._take(key)
            debt.done(tuple(debt.answers.values()))

    def _take(self, key: tuple[str, Uid]) -> _Debt:
        client, uid = key
        uids = self._of[client]
        uids.discard(uid)
        if not uids:
            del self._of[client]
        return self._debts.pop(key)
