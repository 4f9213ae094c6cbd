"""The Protocols between the gateway's parts. Everything here is called on the event loop's thread and none of
it blocks, unless a method says otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Uid = str | int
"""Made by a device, returned with the answer: a text of at most 128 bytes, or an integer."""

Failures = Mapping[int, str]
"""Index of a value in its call -> why the broker did not take it. Empty: the broker acknowledged all."""

NEVER_TAKEN = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "INVALID_RECORD"})
"""Kafka's names in `Failures` for what it does not take however often it is sent: such a record is not stored."""

Done = Callable[[Failures], None]
"""Called once, on the loop, never from within the call that it was given to."""


class Counting(Protocol):
    """Counted events; `kind` and `reason` are short constants (they become a metric's labels, never texts from
    a device). Kinds: accepted, refused (before a session exists), closed, request, answer, reject, event."""

    def count(self, kind: str, reason: str, n: int = 1) -> None: ...

    def took(self, kind: str, seconds: float) -> None:
        """Duration of an answered request; `kind` is `kafka`, `stored` or `application`."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """To whom a worker owes an answer (ack=stored); `indexed` where the values are those of a batch.

    `ticket` numbers the request where a uid may come again: a late answer to the first one is none to the next.
    """

    client: str
    uid: Uid
    indexed: bool = False
    ticket: int | None = None


class Publishing(Protocol):
    """What goes into Kafka. Bounded: False means nothing of the call was taken, `done` is not called, and
    `on_room` will be."""

    def readings(self, device: str, values: Sequence[bytes], done: Done, reply: Reply | None = None) -> bool:
        """Plain Records in MessagePack to the readings topic, all in the device's partition and in order."""
        ...

    def request(self, envelope: bytes, key: bytes, done: Done) -> bool:
        """One envelope (JSON) to the request topic: application requests and connect/disconnect events."""
        ...

    def on_room(self, call: Callable[[], None]) -> None:
        """`call` is called (each time) when the backlog is under half of its bound again after a False."""
        ...

    @property
    def waiting(self) -> int:
        """Messages handed over and not acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """What a worker said of a stored record. `index` is its place in a batch; `ticket` is the request's, None
    where the worker does not give it back."""

    client: str
    uid: Uid
    status: Literal["ok", "rejected"]
    index: int | None = None
    code: str = ""
    text: str = ""
    ticket: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command on its way to a device."""

    id: str
    data: Any
    answer: bool


class Downlink(Protocol):
    """What the broker's side tells the gateway; every call is cheap and never raises."""

    def stored(self, answers: Iterable[WorkerAnswer]) -> None:
        """Workers' answers that name this server; those that nobody waits for are dropped and counted."""
        ...

    def respond(self, client: str | None, device: str | None, response: Mapping[str, Any]) -> bool:
        """A worker's `deviceResponse`, to the session of that client (else device); False where none is."""
        ...

    def command(self, device: str, client: str | None, command: Command) -> bool:
        """Writes a command to the device's (or, where given, the client's) socket; False where none is here
        or it cannot take it. True: handed to the socket, so it counts as delivered."""
        ...

    def replaced(self, device: str, client: str) -> None:
        """A later claim won: the session of `client` is told and closed."""
        ...

    def held(self) -> Iterable[tuple[str, str]]:
        """(device, client id) of every bound session: claims to publish again."""
        ...


class Presence(Protocol):
    """Which gateway holds which device, by the presence topic's order."""

    def claim(self, device: str, client: str) -> None: ...

    def gone(self, device: str, client: str) -> None: ...


class Commands(Protocol):
    """Commands to devices, in the commands topic."""

    def connected(self, device: str, client: str) -> None:
        """The device has just been bound: what waits for it is delivered by Downlink.command, in order."""
        ...

    def result(self, device: str, command: str, data: Any, status: str) -> bool:
        """A device's answer to a command; False where no such command of that device is known."""
        ...


class Broker(Protocol):
    """Everything between the loop and Kafka. Built with the gateway's Downlink and Counting, the settings
    and the server id; `start` connects and reads the compacted topics."""

    @property
    def publishing(self) -> Publishing: ...

    @property
    def presence(self) -> Presence: ...

    @property
    def commands(self) -> Commands: ...

    async def start(self) -> None:
        """Creates topics, reads presence and commands whole; raises the Kafka layer's errors."""
        ...

    async def flush(self, seconds: float) -> int:
        """Waits until everything handed over is acknowledged; returns how many are not."""
        ...

    async def stop(self, seconds: float) -> None:
        """Ends threads and closes clients. Idempotent, never raises."""
        ...

    def fault(self) -> str:
        """Why the gateway cannot go on (a dead client), or empty."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """An authenticator's decision. `device` is the id that is bound (a certificate may name it); `code` is one
    of the protocol's (unauthorized, token_expired, wrong_device, ...); `text` may be shown to the device."""

    ok: bool
    device: str = ""
    code: str = ""
    text: str = ""


class Authenticator(Protocol):
    """Decides on a `connect` and on an HTTP bearer token."""

    async def check(
        self, device: str, token: str | None, peer_certificate: Mapping[str, Any] | None
    ) -> Verdict:
        """Never raises for bad input; may wait (delegated decision), bounded by the caller."""
        ...

    def reload(self) -> None:
        """Reads files anew; what cannot be read stays as it was, and is logged. Never raises."""
        ...


class Ask(Protocol):
    """Sends a `connect` to the application's workers and waits for their answer (the delegated decision)."""

    async def __call__(self, device: str, token: str | None, seconds: float) -> Mapping[str, Any] | None:
        """The worker's deviceResponse, or None where none came in time."""
        ...


@dataclass(frozen=True, slots=True)
class SessionView:
    """One connection, for the admin listener."""

    client: str
    device: str | None
    address: str
    connected_at: float
    tls: bool
    framing: str


class Directory(Protocol):
    """The connections of this gateway."""

    def __len__(self) -> int: ...

    def views(self) -> Sequence[SessionView]: ...

    def view_of(self, device: str) -> SessionView | None: ...


class Owed(Protocol):
    """Answers that workers owe (ack=stored); HTTP registers its own here too."""

    def add(
        self, client: str, uid: Uid, count: int, now: float, done: Callable[[Sequence[WorkerAnswer]], None]
    ) -> bool:
        """`done` is called once: with all `count` answers, or at the timeout with those that came. False where
        the bound is reached, or this uid is owed already."""
        ...

    def drop(self, client: str, uid: Uid) -> None:
        """Not owed any more; `done` is not called."""
        ...


class Health(Protocol):
    """For `/health`, the alive page and the gauges."""

    @property
    def ready(self) -> bool: ...

    def figures(self) -> Mapping[str, float]:
        """connections, sessions (bound), in_flight, owed, kafka_waiting, paused (sockets), output_bytes."""
        ...
