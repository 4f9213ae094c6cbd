"""What the admin listener asks of the broker's side. Called on the loop; nothing blocks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Refusal = Literal["conflict", "too_many", "not_ready", "busy"]


class CommandRefusedError(Exception):
    """A command was not queued. `conflict`: the id is another command's; `too_many`: the device has as many waiting
    as are allowed; `not_ready`: the commands topic is not read to its end yet; `busy`: Kafka did not take it, or
    has not said so in time (then it may be queued, and the same id is safe to send again)."""

    def __init__(self, reason: Refusal, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


@dataclass(frozen=True, slots=True)
class NewCommand:
    """Exactly one of `device` and `client` is given. `id` None: one is made. `ttl_ms` None: the default."""

    data: Any
    device: str | None = None
    client: str | None = None
    answer: bool = False
    ttl_ms: int | None = None
    id: str | None = None


class CommandDesk(Protocol):
    """Commands of all gateways, as the commands topic has them. A view is the topic's JSON value: id, deviceUid or
    clientId, data, answer, ttlMs, createdAt, state, stateAt, and result or reason where there is one."""

    async def put(self, command: NewCommand) -> Mapping[str, Any]:
        """The command's view, once Kafka has acknowledged it. The same id with the same content is the same
        command, in whatever state it is. Raises CommandRefusedError."""
        ...

    def view(self, command: str) -> Mapping[str, Any] | None: ...

    def views_of(self, device: str) -> Sequence[Mapping[str, Any]]:
        """In topic order; those of an hour ago and more are forgotten once they are final."""
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Which gateway holds a device. `at`: milliseconds since 1970 of its claim."""

    device: str
    server: str
    client: str
    at: int
    url: str = ""


class PresenceView(Protocol):
    """Who is connected, to any gateway that is alive."""

    def holder(self, device: str) -> Holder | None: ...

    def holders(self, after: str, limit: int) -> Sequence[Holder]:
        """At most `limit`, by device id, behind `after` ("" for the first page)."""
        ...
