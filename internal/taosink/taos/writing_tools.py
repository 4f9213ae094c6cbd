"""What writers keep from batch to batch, and the words in which writing and remedies speak of a batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from taosbatch.encoding import Encoder
from taosink.ports import Driver, PoisonGate
from taosink.taos.known_tables import KnownTables
from taosink.taos.schema import LiveSchema
from taosink.taos.unknown_numbers import UnknownNumbers


class Remedy(Enum):
    """What has been tried for some rows. Each is tried once: what does not help then has to wait."""

    FORGET = auto()
    REREAD = auto()
    ENSURE = auto()
    ADD = auto()
    WIDEN = auto()


Tried = frozenset[Remedy]


@dataclass(slots=True)
class Tools:
    """What a writer works with. `limit` falls below the layout's where the server or a proxy takes less.

    `clock` gives nanoseconds since 1970, by which guards judge.
    """

    driver: Driver
    encoder: Encoder
    schema: LiveSchema
    known: KnownTables
    unknown: UnknownNumbers
    allow_poison: PoisonGate
    limit: int | None = None
    clock: Callable[[], int] = time.time_ns


class Halt(Exception):  # noqa: N818 - it ends the writing of a batch in order, and no caller of a writer sees it
    """The rest of the batch has to wait, because of `cause` (None: it is no longer this worker's)."""

    def __init__(self, cause: Exception | None) -> None:
        super().__init__(cause)
        self.cause = cause
