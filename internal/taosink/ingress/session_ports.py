"""What a session needs of its socket and of its gateway, and the words for where it stands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from taosink.ingress.limits import Limits

if TYPE_CHECKING:
    from taosink.ingress.session import Session


class Link(Protocol):
    """The socket of a session. Nothing blocks, nothing raises, and all are harmless after the end."""

    def write(self, data: bytes) -> None:
        """Goes out joined with what else the loop's turn writes."""
        ...

    def certificate(self) -> Mapping[str, Any] | None:
        """The device's own, where TLS asked for one."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None:
        """Once everything written has gone out."""
        ...

    def abort(self) -> None:
        """At once."""
        ...


class State:
    """Where a connection stands. Plain texts: an Enum costs a call for each look at it."""

    NEW = "new"
    CONNECTING = "connecting"
    BOUND = "bound"
    LEAVING = "leaving"
    """Told goodbye: what is in flight is answered, nothing new is taken."""
    CLOSING = "closing"
    LOST = "lost"


class Pause:
    """Why a socket is not read: bits of one number."""

    CONNECTING = 1
    ROOM = 2
    RATE = 4
    OUTPUT = 8
    LEAVING = 16
    ENDED = 32
    """The device has said all that it will say."""


class Desk(Protocol):
    """Whom a session hands its frames to, and who keeps its deadlines."""

    limits: Limits

    def take(self, session: "Session", frame: bytes, now: float, *, last: bool) -> bool:
        """Handles one frame; False where it has to wait for room (never with `last`)."""
        ...

    def holds(self, session: "Session", nbytes: int) -> None:
        """The session's waiting frames have changed by so many bytes."""
        ...

    def paused(self, session: "Session") -> None:
        """It waits for room, for its rate, or for its reader: to be looked at soon."""
        ...

    def closed(self, session: "Session", code: str) -> None: ...

    def file(self, session: "Session", at: float) -> None:
        """`session.check` is wanted at that time."""
        ...
