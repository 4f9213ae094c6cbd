"""A replay: which letters go, which stay and why, and, where it is meant, the sending of them."""

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from taosink.dlq.filters import Filter
from taosink.dlq.letters import Found
from taosink.dlq.replay_plan import Hindrance, Rules, hindrance
from taosink.dlq.scan import Place
from taosink.dlq.targets import Target

CHUNK = 500
CHUNK_BYTES = 4 << 20

Receipts = Callable[[Sequence[Found], str, int], None]


@dataclass(slots=True)
class Outcome:
    """`chosen` passed the filter and can go; `overwriting` of them would overwrite a stored row (or did).
    `shown` are the first of them, with a mark for those. `refused`: the target did not take them."""

    chosen: int = 0
    sent: int = 0
    overwriting: int = 0
    hindered: Counter[Hindrance] = field(default_factory=Counter)
    refused: list[tuple[Place, str]] = field(default_factory=list)
    shown: list[tuple[Found, bool]] = field(default_factory=list)

    def as_json(self, *, done: bool) -> dict[str, Any]:
        return {
            "done": done,
            "chosen": self.chosen,
            "replayed": self.sent,
            "overwriting": self.overwriting,
            "not_replayed": {h.name.lower(): n for h, n in sorted(self.hindered.items())},
            "refused": [
                {"partition": p.partition, "offset": p.offset, "reason": why} for p, why in self.refused
            ],
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """`stored` says whether a letter's row is in the database already (None: nobody asks). `skip_stored`:
    such letters stay. Frozen; `run` may be called again."""

    meant: Filter
    rules: Rules
    replayed: Container[Place]
    stored: Callable[[Found], bool] | None = None
    skip_stored: bool = False
    max_shown: int = 100

    def run(
        self,
        records: Iterable[Found],
        target: Target | None = None,
        receipts: Receipts = lambda _letters, _to, _time_ms: None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> Outcome:
        """Sends what is chosen, in order, to the target; without one it only looks (a dry run).

        A chunk gets its receipts after it was acknowledged: a crash between the two leaves letters of one
        chunk that were replayed and do not show it. Raises what target and receipts raise.
        """
        outcome = Outcome()
        for chunk in _chunks(self._chosen(records, outcome)):
            if target is None:
                continue
            refused = target.send(chunk)
            outcome.refused += [
                (Place(chunk[i].partition, chunk[i].offset), why) for i, why in refused.items()
            ]
            sent = [found for i, found in enumerate(chunk) if i not in refused]
            outcome.sent += len(sent)
            receipts(sent, target.name, round(clock() * 1000))
        return outcome

    def _chosen(self, records: Iterable[Found], outcome: Outcome) -> Iterator[Found]:
        for found in records:
            if not self.meant.takes(found):
                continue
            why = hindrance(found, self.rules, self.replayed)
            stored = why is None and self.stored is not None and self.stored(found)
            if stored and self.skip_stored:
                why = Hindrance.OVERWRITES
            if why is not None:
                outcome.hindered[why] += 1
                continue
            outcome.chosen += 1
            outcome.overwriting += stored
            if len(outcome.shown) < self.max_shown:
                outcome.shown.append((found, stored))
            yield found


def _chunks(records: Iterable[Found]) -> Iterator[list[Found]]:
    chunk: list[Found] = []
    nbytes = 0
    for found in records:
        chunk.append(found)
        nbytes += len(found.value or b"")
        if len(chunk) >= CHUNK or nbytes >= CHUNK_BYTES:
            yield chunk
            chunk, nbytes = [], 0
    if chunk:
        yield chunk
