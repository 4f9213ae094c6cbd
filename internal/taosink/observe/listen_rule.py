"""Where a listener may stand, and with what protection. Pure: no name is looked up, nothing is opened."""

import hmac
import ipaddress
from dataclasses import dataclass

_EXAMPLES = "write for example 127.0.0.1:8081, [::1]:8081 or :8081"
SHORTEST_TOKEN = 16
"""Characters. A shorter token can be guessed over the network."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means every interface; number 0 lets the system choose."""

    host: str
    number: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.number}" if ":" in self.host else f"{self.host}:{self.number}"

    @property
    def loopback(self) -> bool:
        """Whether nobody outside this machine can connect. A name that only may be local does not count."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """`host:number`, `[v6]:number` or `:number`. Raises ValueError with what to write instead."""
    host, colon, number = text.strip().rpartition(":")
    if not colon or not (number.isascii() and number.isdecimal()) or int(number) > 65535:
        raise ValueError(f"is no address to listen on; {_EXAMPLES}")
    if host.startswith("[") and host.endswith("]"):
        return Address(_six(host[1:-1]), int(number))
    if ":" in host:
        raise ValueError(f"is an IPv6 address without brackets; {_EXAMPLES}")
    if any(c.isspace() or c in "[]/@?#" for c in host):
        raise ValueError(f"is no address to listen on; {_EXAMPLES}")
    return Address(host, int(number))


def _six(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError(f"holds no IPv6 address in its brackets; {_EXAMPLES}") from None


def check_listener(address: str, token: str) -> str | None:
    """What speaks against this operators' listener, in one line; None where it may be opened.

    Whoever reaches it can command devices: beyond loopback it needs a token, and one that is no guess.
    """
    try:
        found = parse_address(address)
    except ValueError as error:
        return f"{address!r} {error}"
    if found.loopback:
        return None
    if not token:
        return (
            f"{address} can be reached from other machines and has no token: give it one, or listen on"
            f" 127.0.0.1:{found.number}"
        )
    if len(token) < SHORTEST_TOKEN:
        return (
            f"{address} can be reached from other machines and its token is shorter than {SHORTEST_TOKEN}"
            " characters: anybody could try them all"
        )
    return None


def constant_time_equal(given: str | bytes | None, expected: str | bytes) -> bool:
    """Whether a secret is the right one, in a time that tells nothing of it. An empty one is never right."""
    if not given or not expected:
        return False
    return hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(secret: str | bytes) -> bytes:
    # Surrogates come out of headers and arguments that are no UTF-8; they must not raise here.
    return secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
