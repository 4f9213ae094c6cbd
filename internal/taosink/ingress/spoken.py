"""What the log says of single connections and requests: who, which, what came of it; never what was sent.

A `connection` is what answers, presence and `ack=stored` headers call `clientId`; `uid` is the request's own. All
requests over HTTP share one connection, and get a uid for each device whose records workers answer for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from starlette.types import Scope

from taosink.ingress.ports import Uid
from taosink.ingress.session import Session
from taosink.observe import logs
from taosink.observe.places import bounded

log = structlog.get_logger()

LONGEST = 64
"""Characters kept of what a device calls itself, its request or its action."""


def connected(session: Session, uid: Uid | None) -> None:
    if logs.debugging():
        log.debug("ingress.connected", **_who(session, uid), address=session.address, tls=session.tls)


def connect_refused(session: Session, device: str | None, uid: Uid | None, code: str) -> None:
    log.info(
        "ingress.connect_refused",
        connection=session.client_id,
        device=_short(device),
        uid=_short(uid),
        address=session.address,
        code=code,
    )


def closed(session: Session, reason: str) -> None:
    if logs.debugging():
        log.debug("ingress.closed", connection=session.client_id, device=session.device, reason=reason)


def refused(session: Session, action: str | None, uid: Uid | None, code: str) -> None:
    """A request that was not done; its device knows."""
    log.info("ingress.request_refused", **_who(session, uid), action=_short(action), code=code)


def ended(session: Session, action: str, uid: Uid | None, status: str, seconds: float) -> None:
    """A request whose records are with Kafka, or with the database, or of which nobody knows."""
    if status != "ok":
        log.info("ingress.request_ended", **_who(session, uid), action=action, status=status)
    elif logs.debugging():
        ms = round(seconds * 1000, 1)
        log.debug("ingress.request_done", **_who(session, uid), action=action, milliseconds=ms)


@dataclass(slots=True)
class HttpRequest:
    """One request over HTTP, as far as the log tells of it: `device` and `uids` are filled in as they are known."""

    connection: str | None
    address: str
    action: str
    device: str = ""
    uids: list[Uid] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Scope, connection: str | None) -> "HttpRequest":
        return cls(connection, (scope.get("client") or ("",))[0], f"{scope['method']} {scope['path']}")


def http_refused(request: HttpRequest, code: str) -> None:
    """As `refused`: none of its records is in Kafka by it."""
    log.info("ingress.request_refused", **_asks(request), code=code)


def http_ended(request: HttpRequest, status: str, seconds: float) -> None:
    """As `ended`."""
    if status != "ok":
        log.info("ingress.request_ended", **_asks(request), status=status)
    elif logs.debugging():
        log.debug("ingress.request_done", **_asks(request), milliseconds=round(seconds * 1000, 1))


def _asks(request: HttpRequest) -> dict[str, object]:
    return {
        "connection": request.connection,
        "device": _short(request.device or None),
        "uid": _together(request.uids),
        "action": _short(request.action),
        "address": request.address,
    }


def _together(uids: Sequence[Uid]) -> Uid | Sequence[Uid] | None:
    if len(uids) < 2:
        return uids[0] if uids else None
    return bounded([str(uid) for uid in uids])


def authentication_defect(session: Session, device: str | None, uid: Uid | None) -> None:
    """To be called while the exception is handled."""
    log.exception(
        "ingress.authentication_defect",
        connection=session.client_id,
        device=_short(device),
        uid=_short(uid),
        meaning="the device was refused, and may come again",
        do="report it with this trace",
    )


def _who(session: Session, uid: Uid | None) -> dict[str, object]:
    return {"connection": session.client_id, "device": session.device, "uid": _short(uid)}


def _short(name: Uid | None) -> Uid | None:
    return name[:LONGEST] if isinstance(name, str) else name
