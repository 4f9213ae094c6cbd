"""The messages that a gateway sends, as maps: one builder for each."""

from collections.abc import Mapping, Sequence
from typing import Any

from taosdevice.names import (
    BATCH,
    CLOSE,
    COMMAND,
    CONNECT,
    ERROR,
    GOODBYE,
    OK,
    PARTIAL,
    PONG,
    PROTOCOL_VERSION,
    REJECTED,
    REPLACED_ACTION,
    RESPONSE,
    Code,
    Uid,
)


class ProtocolError(Exception):
    """One request that cannot be done; the connection goes on. `uid` and `action` where they were legible."""

    def __init__(self, code: str, text: str, *, uid: Uid | None = None, action: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.uid = uid
        self.action = action

    def answer(self) -> dict[str, Any]:
        """What the device is told."""
        status = REJECTED if self.code in (Code.RECORD_REJECTED, Code.WRONG_DEVICE) else ERROR
        return answer(self.action or "request", self.uid, status, code=self.code, text=self.text)


def answer(
    action: str,
    uid: Uid | None,
    status: str,
    *,
    data: Any = None,
    code: str = "",
    text: str = "",
) -> dict[str, Any]:
    """The answer to a request of this action; what has no value is left out."""
    found: dict[str, Any] = {"action": action + RESPONSE}
    if uid is not None:
        found["uid"] = uid
    if data is not None:
        found["data"] = data
    found["status"] = status
    if code:
        found["errorCode"] = code
    if text:
        found["errorMessage"] = text
    return found


def connected(
    uid: Uid | None, client: str, server: str, limits: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer to a `connect` that was taken."""
    data = {"clientId": client, "serverId": server, "version": PROTOCOL_VERSION, "limits": dict(limits or {})}
    return answer(CONNECT, uid, OK, data=data)


def pong(uid: Uid | None) -> dict[str, Any]:
    """The answer to a `ping`."""
    return {"action": PONG} if uid is None else {"action": PONG, "uid": uid}


def rejected_entry(index: int, code: str, text: str) -> dict[str, Any]:
    """One record of a batch that was not taken."""
    return {"index": index, "errorCode": code, "errorMessage": text}


def batch_answer(
    uid: Uid | None, accepted: int, rejected: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The answer to a `batch`: ok, partial or rejected as the counts say."""
    status = OK if not rejected else PARTIAL if accepted else REJECTED
    return answer(BATCH, uid, status, data={"accepted": accepted, "rejected": list(rejected)})


def command(uid: str, data: Any, *, expects_result: bool) -> dict[str, Any]:
    """A command to a device."""
    return {"action": COMMAND, "uid": uid, "data": data, "answer": expects_result}


def goodbye(reconnect_after_ms: int, *, code: str = Code.SHUTTING_DOWN, text: str = "") -> dict[str, Any]:
    """The gateway stops; come back after this long, here or at another one."""
    found = {"action": GOODBYE, "data": {"reconnectAfterMs": reconnect_after_ms}, "errorCode": code}
    return found | {"errorMessage": text} if text else found


def closing(code: str, text: str) -> dict[str, Any]:
    """The last message before the gateway closes a connection."""
    if code == Code.REPLACED:
        return {"action": REPLACED_ACTION, "status": ERROR, "errorCode": code, "errorMessage": text}
    return {"action": CLOSE, "status": ERROR, "errorCode": code, "errorMessage": text}
