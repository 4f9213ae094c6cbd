"""Until when a certificate is valid: two fields read out of its DER form, which `ssl` does not tell."""

import re
import ssl
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERAL_TIME = 0x30, 0xA0, 0x17, 0x18


def expiry(pem: str) -> datetime | None:
    """When the first certificate of a PEM text ends; None where it cannot be read (X.509: RFC 5280, 4.1)."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(found[0]))
    except (ValueError, IndexError):
        return None


def _not_after(der: bytes) -> datetime:
    certificate = _inside(der, 0, _SEQUENCE)
    at = _inside(der, certificate, _SEQUENCE)
    if der[at] == _VERSION:
        at = _behind(der, at)
    for _ in ("serial number", "signature", "issuer"):
        at = _behind(der, at)
    last = _behind(der, _inside(der, at, _SEQUENCE))
    start, end = _content(der, last)
    return _time(der[last], der[start:end].decode("ascii"))


def _time(kind: int, text: str) -> datetime:
    if kind == _UTC_TIME:
        # Two digits of a year: 50 and later are of the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != _GENERAL_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the element at `at` has its content."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    if start + length > len(der):
        raise ValueError("cut")
    return start, start + length


def _inside(der: bytes, at: int, tag: int) -> int:
    if der[at] != tag:
        raise ValueError("another element stands there")
    return _content(der, at)[0]


def _behind(der: bytes, at: int) -> int:
    return _content(der, at)[1]
