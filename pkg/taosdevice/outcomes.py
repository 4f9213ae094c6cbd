"""What a client's caller gets: outcomes as values, ends as typed errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taosdevice.names import OK, UNKNOWN


@dataclass(frozen=True, slots=True)
class Refused:
    """A record of a batch that was not taken; `index` is its place in the batch."""

    index: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. `status` is the protocol's: ok, partial, rejected, unknown or error.

    `unknown`: nobody said that it was stored, nor that it was not; it is safe to send again.
    """

    status: str
    data: Any = None
    code: str = ""
    text: str = ""
    sent: int = 1
    """How often it went on the wire."""

    @property
    def ok(self) -> bool:
        """Everything that was asked was done."""
        return self.status == OK

    @property
    def accepted(self) -> int:
        """Records of a batch that were taken."""
        return int(self.data.get("accepted", 0)) if isinstance(self.data, Mapping) else 0

    @property
    def rejected(self) -> tuple[Refused, ...]:
        """Records of a batch that were not."""
        entries = self.data.get("rejected", ()) if isinstance(self.data, Mapping) else ()
        return tuple(
            Refused(int(one["index"]), str(one.get("errorCode", "")), str(one.get("errorMessage", "")))
            for one in entries
        )


def outcome_of(answer: Mapping[str, Any], sent: int) -> Outcome:
    """An answer of the gateway as a value."""
    return Outcome(
        str(answer.get("status", UNKNOWN)),
        answer.get("data"),
        str(answer.get("errorCode", "")),
        str(answer.get("errorMessage", "")),
        sent,
    )


class DeviceClientError(Exception):
    """The client has ended: nothing is sent any more, and what was not acknowledged may or may not be stored."""


class ClientClosedError(DeviceClientError):
    """It was closed by its owner."""


class ReplacedError(DeviceClientError):
    """The same device has connected elsewhere, and the newer connection wins; this one does not come back."""


class RefusedError(DeviceClientError):
    """The gateway does not let this device in. `code` is the protocol's: unauthorized, token_expired, ..."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text
