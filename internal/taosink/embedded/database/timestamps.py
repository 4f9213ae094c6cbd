"""Time literals and how answers show them. Ticks are integers in a database's precision."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from .types import PRECISIONS

DIGITS = {"ms": 3, "us": 6, "ns": 9}
_UNIT_NS = {
    "b": 1,
    "u": 1_000,
    "a": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3600 * 1_000_000_000,
    "d": 86400 * 1_000_000_000,
    "w": 7 * 86400 * 1_000_000_000,
}

# strptime's fields: leading blanks, then as many digits as fit.
_DATE = r"\s*(\d{1,4})-\s*(1[0-2]|0?[1-9])-\s*(3[01]|[12]\d|0?[1-9])"
_CLOCK = r"\s*(2[0-3]|[01]?\d):\s*([0-5]?\d):\s*(6[01]|[0-5]\d|6(?!\d)|[0-57-9])"
_FULL = {"T": re.compile(_DATE + "T" + _CLOCK, re.ASCII), "": re.compile(_DATE + r"\s*" + _CLOCK, re.ASCII)}
_DAY = re.compile(_DATE, re.ASCII)
_INTEGER = re.compile(r"\s*[+-]?\d+\Z", re.ASCII)
_ZONE = re.compile(r"([+-])(?:(\d*):|(\d{1,2}))(\d{0,2})\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ticks(precision: str) -> int:
    return time.time_ns() * PRECISIONS[precision] // 1_000_000_000


def today_ticks(precision: str) -> int:
    """Midnight of the server's day; the server runs in UTC."""
    per_day = 86400 * PRECISIONS[precision]
    return now_ticks(precision) // per_day * per_day


def duration_ticks(literal: str, precision: str) -> int | None:
    """`10s` in ticks; None for the calendar units, which have no fixed length."""
    unit = _UNIT_NS.get(literal[-1].lower())
    if unit is None:
        return None
    return int(literal[:-1]) * unit * PRECISIONS[precision] // 1_000_000_000


def parse_integer(text: str) -> int | None:
    """A 64-bit integer, blanks before it allowed."""
    if not _INTEGER.match(text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def parse_time(text: str, precision: str) -> int | None:
    """Ticks of an RFC 3339 or `YYYY-MM-DD[ HH:MM:SS[.fff]]` text, local time being UTC; None if it is none."""
    delimiter = "T" if "T" in text else ""
    if _has_zone(text):
        return _parse_zoned(text, delimiter, precision)
    return _parse_local(text, delimiter, precision)


def _time_end(text: str) -> int:
    """Where the digits end that follow the second colon."""
    second = text.find(":", text.find(":") + 1) + 1 if text.count(":") >= 2 else len(text)
    while second < len(text) and text[second] in "0123456789":
        second += 1
    return second


def _has_zone(text: str) -> bool:
    return any(c in "Zz+-" for c in text[_time_end(text) :])


def _parse_zoned(text: str, delimiter: str, precision: str) -> int | None:
    found = _FULL[delimiter].match(text)
    if found is None:
        return None
    seconds = _seconds(found)
    rest = text[_time_end(text) :]
    fraction = 0
    if rest.startswith("."):
        digits = re.match("[0-9]+", rest[1:])
        if digits is None:
            return None
        fraction = _fraction(digits.group(), precision)
        rest = rest[1 + digits.end() :]
    if rest in ("Z", "z"):
        offset = 0
    else:
        zone = _ZONE.match(rest)
        if zone is None or int(zone.group(4) or 0) > 59:
            return None
        offset = int(zone.group(2) or zone.group(3) or 0) * 3600 + int(zone.group(4) or 0) * 60
        offset = -offset if zone.group(1) == "+" else offset
    return (seconds + offset) * PRECISIONS[precision] + fraction


def _parse_local(text: str, delimiter: str, precision: str) -> int | None:
    for pattern in (_FULL[delimiter], _DAY):
        found = pattern.match(text)
        if found and _valid_day(found) and (found.end() >= len(text) or text[found.end()] == "."):
            break
    else:
        return None
    fraction = 0
    if text.startswith(".", found.end()):
        digits = re.match("[0-9]+", text[found.end() + 1 :])
        if digits is None:
            return None
        fraction = _fraction(digits.group(), precision)
    return _seconds(found) * PRECISIONS[precision] + fraction


def _fraction(digits: str, precision: str) -> int:
    wanted = DIGITS[precision]
    return int(digits[:wanted].ljust(wanted, "0"))


def _valid_day(found: re.Match[str]) -> bool:
    year, month, day = (int(g) for g in found.groups()[:3])
    leap = year % 400 == 0 if year % 100 == 0 else year % 4 == 0
    last = 29 if leap and month == 2 else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    return day <= last


def _seconds(found: re.Match[str]) -> int:
    """timegm: days past the month's end run on into the next month."""
    year, month, day, *clock = (int(g) for g in found.groups())
    hour, minute, second = clock or (0, 0, 0)
    years = year - (month <= 2)
    era, of_era = divmod(years, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second


def formatter(precision: str, zone: tzinfo | None) -> Callable[[int], str]:
    """Ticks -> RFC 3339 with the precision's digits, in `zone` (UTC if None)."""
    scale, digits = 1_000_000_000 // PRECISIONS[precision], DIGITS[precision]
    last: tuple[int, str, str] | None = None

    def show(ticks: int) -> str:
        nonlocal last
        # The adapter counts nanoseconds in 64 bits and lets them wrap.
        wrapped = (ticks * scale + 2**63) % 2**64 - 2**63
        seconds, fraction = divmod(wrapped, 1_000_000_000)
        if last is None or last[0] != seconds:
            moment = _EPOCH + timedelta(seconds=seconds)
            if zone is not None:
                moment = moment.astimezone(zone)
            last = (seconds, f"{moment:%Y-%m-%dT%H:%M:%S}", _offset(moment))
        return f"{last[1]}.{fraction // scale:0{digits}d}{last[2]}"

    return show


def _offset(moment: datetime) -> str:
    offset = moment.utcoffset()
    if not offset:
        return "Z"
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
