"""Times as messages carry them: RFC 3339 text in JSON, the extension -1 in MessagePack."""

import re
import struct
from datetime import UTC, datetime, timedelta

NS = 1_000_000_000
"""Nanoseconds in a second."""
EXTENSION = -1
"""MessagePack's type of a timestamp."""

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_HEADS = {4: b"\xd6\xff", 8: b"\xd7\xff", 12: b"\xc7\x0c\xff"}


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970, digits beyond the ninth cut off; ValueError for anything else."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("no RFC 3339 time with an offset")
    day, clock, fraction, sign, hours, minutes = match.groups()
    seconds = (datetime.fromisoformat(f"{day}T{clock}+00:00") - _EPOCH) // _SECOND
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    return seconds * NS + (int(fraction[:9].ljust(9, "0")) if fraction else 0)


def format_rfc3339(timestamp_ns: int) -> str:
    """UTC, with as many fraction digits as are needed; OverflowError outside the years 1 to 9999."""
    seconds, nanos = divmod(timestamp_ns, NS)
    clock = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{clock}{fraction}Z"


def pack_extension(timestamp_ns: int) -> bytes:
    """The content of the shortest of the three forms; OverflowError beyond 64 bits of seconds."""
    seconds, nanos = divmod(timestamp_ns, NS)
    if seconds >> 34:
        try:
            return struct.pack(">Iq", nanos, seconds)
        except struct.error:
            raise OverflowError(f"{seconds} seconds do not fit into 64 bits") from None
    if nanos or seconds >> 32:
        return struct.pack(">Q", nanos << 34 | seconds)
    return struct.pack(">I", seconds)


def pack_time(timestamp_ns: int) -> bytes:
    """The whole extension, head included; otherwise as `pack_extension`."""
    content = pack_extension(timestamp_ns)
    return _HEADS[len(content)] + content


def is_packed_time(raw: bytes) -> bool:
    """Whether these bytes are one timestamp extension, in any of its three forms and of real nanoseconds."""
    if len(raw) == 10 and raw.startswith(b"\xd7\xff"):
        return int.from_bytes(raw[2:], "big") >> 34 < NS
    if len(raw) == 6:
        return raw.startswith(b"\xd6\xff")
    return len(raw) == 15 and raw.startswith(b"\xc7\x0c\xff") and int.from_bytes(raw[3:7], "big") < NS
