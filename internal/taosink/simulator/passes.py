"""Tokens for a simulated fleet: made of a gateway's key, or read from a file."""

import time
from collections.abc import Callable
from pathlib import Path

from taosink.ingress.auth.tokens import make_token, parse_keys

LIFETIME_S = 3600
"""Of a token that is made; a client that connects later gets a new one."""


def tokens_by_key(path: Path, *, now: Callable[[], float] = time.time) -> Callable[[str], str]:
    """Signs a token for any device. Raises ValueError or OSError where the file cannot be used."""
    keys = parse_keys(path.read_text(encoding="utf-8"))
    return lambda device: make_token(keys, device, int(now()) + LIFETIME_S)


def tokens_of_file(path: Path) -> Callable[[str], str]:
    """What stands behind each device: `device<TAB>token` as `taosink token` prints it, or `device:secret`.

    Raises ValueError or OSError; the function KeyError for a device that is not in it.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        device, mark, secret = line.partition("\t" if "\t" in line else ":")
        if not (mark and device.strip() and secret.strip()):
            raise ValueError(f"line {number} of {path} is neither device<TAB>token nor device:secret")
        found[device.strip()] = secret.strip()
    return found.__getitem__
