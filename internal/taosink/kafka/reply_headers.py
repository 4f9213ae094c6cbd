"""The headers by which a gateway asks for an answer about a record that is stored. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

PREFIX = "taosink.reply."
SERVER, CLIENT, UID = f"{PREFIX}server", f"{PREFIX}client", f"{PREFIX}uid"
ACK, INDEX, TICKET = f"{PREFIX}ack", f"{PREFIX}index", f"{PREFIX}ticket"
STORED = b"stored"
LONGEST = 1024
"""Bytes of one header: whoever may write to the topic can write them, and they are sent on."""

_uid = msgspec.json.Decoder(str | int)


class Owed(NamedTuple):
    """Who waits for the answer. `uid` is the device's own, `place` the record's index in its batch, `ticket`
    the gateway's own number of the request."""

    server: str
    client: str
    uid: str | int
    place: int | None
    ticket: int | None = None


def owed(headers: Iterable[tuple[str, bytes | None]] | None) -> Owed | None:
    """None where no answer is owed. Raises ValueError where the headers ask for one and cannot be read."""
    if not headers:
        return None
    found = {name: value for name, value in headers if name.startswith(PREFIX)}
    if found.get(ACK) != STORED:
        return None
    try:
        index, ticket = found.get(INDEX), found.get(TICKET)
        return Owed(
            _text(found[SERVER]),
            _text(found[CLIENT]),
            _uid.decode(_short(found[UID])),
            None if index is None else _number(index),
            None if ticket is None else _number(ticket),
        )
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"the reply headers cannot be read: {error}") from error


def _short(value: bytes | None) -> bytes:
    if not value or len(value) > LONGEST:
        raise ValueError("a reply header is empty or too long")
    return value


def _text(value: bytes | None) -> str:
    return _short(value).decode()


def _number(value: bytes) -> int:
    if not (value.isdigit() and len(value) < 19):
        raise ValueError("a reply header's index or ticket is no number")
    return int(value)
