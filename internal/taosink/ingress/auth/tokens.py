"""Device tokens: `v1.<payload>.<mac>`, and the file of keys that sign them. Pure; the time is given."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

VERSION = "v1"
LONGEST_TOKEN = 1024
LONGEST_DEVICE = 192
"""Bytes in UTF-8: what TDengine takes as a table's name."""
SHORTEST_KEY = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class TokenError(Exception):
    """A token that lets nobody in; `code` is one of the protocol's, the text may be shown to a device."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class KeyFileError(ValueError):
    """The file of keys cannot be used. The message names the line, never what stands in it."""


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    d: str
    e: int
    k: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: for which device, until when (seconds since 1970), signed by which key."""

    device: str
    expires: int
    key: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys by id; the first one signs, all of them are taken. At least one."""

    secrets: Mapping[str, bytes] = field(repr=False)

    @property
    def signing(self) -> str:
        return next(iter(self.secrets))


def parse_keys(text: str) -> Keys:
    """`id: secret` a line, the newest first; blank lines and lines that begin with # are passed over.

    Raises KeyFileError.
    """
    found: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, secret = (part.strip() for part in line.partition(":"))
        if not colon or not _KEY_ID.fullmatch(name):
            raise KeyFileError(f"line {number} is not `id: secret` (id: letters, digits, _ and -)")
        if name in found:
            raise KeyFileError(f"line {number} gives key {name!r} a second time")
        if len(secret.encode()) < SHORTEST_KEY:
            raise KeyFileError(
                f"line {number}: the secret is shorter than {SHORTEST_KEY} bytes and could be guessed;"
                " `taosink token --new-key` makes one"
            )
        found[name] = secret.encode()
    if not found:
        raise KeyFileError("no key stands in it; `taosink token --new-key` makes one")
    return Keys(found)


def make_token(keys: Keys, device: str, expires: int) -> str:
    """A token for one device, signed by the first key. ValueError for what can be no device's id."""
    if not device or len(device.encode()) > LONGEST_DEVICE or not device.isprintable():
        raise ValueError(
            f"{device[:40]!r} is no device id: 1 to {LONGEST_DEVICE} bytes, all of them printable"
        )
    payload = msgspec.json.encode(_Payload(device, expires, keys.signing))
    signed = f"{VERSION}.{_to_text(payload)}"
    return f"{signed}.{_mac(keys.secrets[keys.signing], signed)}"


def read_token(keys: Keys, token: str) -> Claims:
    """What a token says, once its signature is found right. Raises TokenError (unauthorized).

    The expiry is not looked at.
    """
    signed, _, mac = token.rpartition(".")
    version, _, payload = signed.partition(".")
    if len(token) > LONGEST_TOKEN or not token.isascii() or version != VERSION or "." in payload:
        raise TokenError("unauthorized", "this is no token of this server")
    claims = _claims(payload)
    # An unknown key costs what a known one does, so that nobody finds out which ids are in use.
    secret = keys.secrets.get(claims.key)
    right = hmac.compare_digest(_mac(secret or b"\0", signed), mac)
    if secret is None or not right:
        raise TokenError("unauthorized", "the token's signature is wrong, or its key is out of use")
    return claims


def check_token(keys: Keys, token: str, device: str, *, now: float, leeway: float) -> Claims:
    """The claims of a token that lets this device in now; with an empty `device`, the token's own.

    `leeway` (s) is added to the expiry: the clocks of those who sign and those who check differ. Raises
    TokenError: unauthorized, wrong_device, token_expired.
    """
    claims = read_token(keys, token)
    if device and claims.device != device:
        raise TokenError("wrong_device", "the token is another device's")
    if now >= claims.expires + leeway:
        raise TokenError("token_expired", f"the token expired {round(now - claims.expires)} s ago")
    return claims


def _claims(payload: str) -> Claims:
    try:
        raw = base64.b64decode(payload.encode() + b"=" * (-len(payload) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(raw, type=_Payload)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        raise TokenError("unauthorized", "this is no token of this server") from None
    return Claims(found.d, found.e, found.k)


def _mac(secret: bytes, signed: str) -> str:
    # Over the text: version, device, expiry and key are covered as they stand, in one form only.
    return _to_text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
