"""What the log says of dead letters: which record, why, and where it went; never what it held."""

import time
from collections.abc import Callable

import structlog

from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.reply_headers import owed
from taosink.observe.repeats import Repeats
from taosink.ports import SourceMessage

log = structlog.get_logger(__name__)

SAY_AGAIN = 30.0
"""Seconds between two lines about letters of one topic with one reason, or about one fault of their topic."""
LONGEST_NAME = 64
"""Characters of a device's name that a line holds: what stands there may be no name at all."""


class LetterLog:
    """Thread-safe. Of a flood of letters the first of each kind is told, then one now and then, with how many were
    not: `taosink dlq list` shows them all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._repeats = Repeats(SAY_AGAIN)

    def __repr__(self) -> str:
        return f"<LetterLog {self._repeats!r}>"

    def due(self, what: str) -> int | None:
        """As `Repeats.due`."""
        return self._repeats.due(what, self._clock())

    def letter(self, source: SourceMessage, info: DeadLetterInfo, to: str) -> None:
        unsaid = self.due(f"{info.topic} {info.reason} {info.code}")
        if unsaid is None:
            return
        log.warning(
            "dead_letters.letter",
            topic=info.topic,
            partition=info.partition,
            offset=info.offset,
            reason=info.reason,
            code=f"0x{info.code:04X}" if info.code else "",
            device=info.device[:LONGEST_NAME],
            to=to,
            unsaid=unsaid,
            **_asked_by(source),
        )


def _asked_by(source: SourceMessage) -> dict[str, object]:
    """The connection and the request at a gateway that a record came by, where its device waits for the answer."""
    try:
        who = owed(source.headers())
    except ValueError:
        return {}
    return {"connection": who.client, "uid": who.uid} if who is not None else {}
