"""What stands on a response topic: workers' answers, and commands for devices. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from taosink.ingress.ports import Uid, WorkerAnswer


@dataclass(frozen=True, slots=True)
class Response:
    """An application's answer to one device."""

    client: str | None
    device: str | None
    response: Mapping[str, Any]
    named: bool
    """This server was named, so nobody else delivers it."""


@dataclass(frozen=True, slots=True)
class CommandWish:
    """A command that somebody wants delivered. Exactly one of `device` and `client` need be given."""

    id: str
    device: str | None
    client: str | None
    data: Any
    answer: bool
    ttl_ms: int | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A message that was passed over; `why` is `foreign` or `broken`."""

    why: Literal["foreign", "broken"]


Heard = tuple[WorkerAnswer, ...] | Response | CommandWish | Passed

FOREIGN, BROKEN = Passed("foreign"), Passed("broken")
MAX_ID = 200


class _Answer(msgspec.Struct, rename="camel"):
    client_id: str
    uid: Uid
    status: Literal["ok", "rejected"]
    index: int | None = None
    error_code: str = ""
    error_message: str = ""
    ticket: int | None = None


class _Command(msgspec.Struct, rename="camel"):
    data: Any
    answer: bool = False
    ttl_ms: int | None = None
    id: str = ""


class _Envelope(msgspec.Struct, rename="camel"):
    server_id: str | None = None
    client_id: str | None = None
    device_uid: str | None = None
    device_response: dict[str, Any] | None = None
    answers: list[_Answer] | None = None
    command: _Command | None = None


_decode = msgspec.json.Decoder(_Envelope).decode


def read(value: bytes | None, server: str, origin: str, at_ms: int) -> Heard:
    """What one message says to the gateway `server`. `origin` names the message, the same way for every reader;
    `at_ms` is when it was written. Never raises."""
    try:
        found = _decode(value or b"")
    except (msgspec.DecodeError, RecursionError):
        return BROKEN
    if found.server_id is not None and found.server_id != server:
        return FOREIGN
    if found.answers is not None:
        return tuple(map(_answer, found.answers))
    if found.client_id is None and found.device_uid is None:
        return BROKEN
    if found.command is not None:
        return _wish(found, found.command, origin, at_ms)
    return _response(found)


def _answer(said: _Answer) -> WorkerAnswer:
    return WorkerAnswer(
        said.client_id, said.uid, said.status, said.index, said.error_code, said.error_message, said.ticket
    )


def _response(found: _Envelope) -> Heard:
    response = found.device_response
    if response is None:
        return BROKEN
    if response.get("action") == "stored" and found.client_id is not None:
        return _stored(found.client_id, response)
    return Response(found.client_id, found.device_uid, response, found.server_id is not None)


def _stored(client: str, response: Mapping[str, Any]) -> Heard:
    try:
        return (_answer(msgspec.convert({**response, "clientId": client}, _Answer)),)
    except msgspec.ValidationError:
        return BROKEN


def _wish(found: _Envelope, command: _Command, origin: str, at_ms: int) -> Heard:
    wrong_ttl = command.ttl_ms is not None and command.ttl_ms <= 0
    if wrong_ttl or len(command.id) > MAX_ID:
        return BROKEN
    return CommandWish(
        command.id or origin,
        found.device_uid,
        found.client_id,
        command.data,
        command.answer,
        command.ttl_ms,
        at_ms,
    )
