"""Which servers there are, and which of them taosink works with. Pure."""

import re

OLDEST, TESTED = (3,), (3, 3)
"""Below the first nothing works (another SQL, another catalogue); below the second nobody has tried it."""
UPGRADE = "upgrade the server"
TOO_OLD = "taosink needs TDengine 3"
UNTRIED = f"older than {'.'.join(map(str, TESTED))}, which taosink is tested with"

_VERSION = re.compile(r"\d+(?:\.\d+)+")


def numbers(version: str) -> tuple[int, ...]:
    """Of `3.3.0.1` as of `ver:3.3.0.1`; empty where there are none."""
    found = _VERSION.search(version)
    return tuple(map(int, found[0].split("."))) if found else ()


def too_old(version: str) -> bool:
    """It cannot be worked with. False for a version that cannot be read: what it can do will show."""
    return bool(numbers(version)) and numbers(version)[:1] < OLDEST


def untried(version: str) -> bool:
    """It may work."""
    return bool(numbers(version)) and numbers(version)[:2] < TESTED
