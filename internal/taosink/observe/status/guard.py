"""Who may call what: probes and metrics are for everybody, the rest for who is on this machine or has the token."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from taosink.observe.listen_rule import constant_time_equal, parse_address

OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer instead of what was asked for."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Guard:
    """Pure. `token` may be empty; `loopback`: nobody outside this machine can connect."""

    token: str
    loopback: bool

    def __repr__(self) -> str:
        return f"Guard(loopback={self.loopback}, token={'set' if self.token else 'none'})"

    def refuses(self, path: str, method: str, headers: Mapping[str, str]) -> Refusal | None:
        """`headers` by lower-case name."""
        if path in OPEN_PATHS and method in ("GET", "HEAD"):
            return None
        host = headers.get("host", "")
        if is_foreign(headers.get("origin"), host):
            return Refusal(403, "requests of pages of other sites are refused")
        if self.token:
            right = constant_time_equal(given_secret(headers.get("authorization", "")), self.token)
            return None if right else _UNKNOWN
        if not self.loopback:
            return Refusal(
                403, "this listener can be reached from other machines: set status.token to use it"
            )
        return None if _is_local(host) else _FOREIGN_NAME


_UNKNOWN = Refusal(401, "give the value of status.token, as a bearer token or as a password")
_FOREIGN_NAME = Refusal(403, "without a token it answers to this machine's own names alone")


def is_foreign(origin: str | None, host: str) -> bool:
    """Whether a page of another site asks: it can make a browser on this machine send requests, with the login that
    the browser keeps."""
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()


def given_secret(authorization: str) -> str:
    """The secret of a bearer token, or the password of a browser's own login."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _is_local(host: str) -> bool:
    """A name that somebody else's DNS points at this machine is none of its own."""
    try:
        return parse_address(host if host.rpartition(":")[2].isdecimal() else f"{host}:0").loopback
    except ValueError:
        return False
