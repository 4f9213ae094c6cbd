"""The body of a new command, read with care. Pure."""

from typing import Any

from taosdevice.messages import from_json, to_msgpack
from taosink.ingress.http.desk import NewCommand
from taosink.ingress.http.errors import Problem

MOST_TTL_MS = 30 * 86_400_000
LONGEST_ID = 128
_KEYS = {"data", "answer", "ttlMs", "id"}


def new_command(body: bytes, *, device: str | None, client: str | None) -> NewCommand:
    """Raises Problem 400 for what is no `{data, answer?, ttlMs?, id?}`."""
    try:
        found = from_json(body)
    except ValueError as error:
        raise _bad(f"the body is no command: {error}") from None
    if strange := sorted(found.keys() - _KEYS):
        raise _bad(f"{strange[0][:40]!r} is no part of a command: {', '.join(sorted(_KEYS))}")
    if "data" not in found:
        raise _bad("data is missing: what the device is to be told")
    wanted, ttl, name = found.get("answer", False), found.get("ttlMs"), found.get("id")
    if not isinstance(wanted, bool):
        raise _bad("answer is true or false")
    if ttl is not None and not (type(ttl) is int and 0 < ttl <= MOST_TTL_MS):
        raise _bad(f"ttlMs is a whole number of milliseconds from 1 to {MOST_TTL_MS}")
    if name is not None and not _is_id(name):
        raise _bad(f"id is a text of 1 to {LONGEST_ID} bytes, all of them printable")
    try:
        to_msgpack(found["data"])
    except ValueError as error:
        raise _bad(f"data cannot be sent to devices that speak MessagePack: {error}") from None
    return NewCommand(found["data"], device=device, client=client, answer=wanted, ttl_ms=ttl, id=name)


def _is_id(name: Any) -> bool:
    return (
        isinstance(name, str) and name.isprintable() and 0 < len(name.encode(errors="replace")) <= LONGEST_ID
    )


def _bad(text: str) -> Problem:
    return Problem(400, "bad_request", text)
