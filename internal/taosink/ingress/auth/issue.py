"""`taosink token`: makes tokens, keys and hashes of secrets, and explains tokens."""

import secrets
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path

from taosink.ingress.auth.authenticators import FileError, Watched
from taosink.ingress.auth.secrets_file import hash_secret
from taosink.ingress.auth.tokens import Claims, Keys, TokenError, make_token, parse_keys, read_token
from taosink.settings.token import TokenGroup
from taosink.tools import FAULT, FINE, fail

STANDARD_INPUT = "-"


class AskedError(Exception):
    """The call does not say what is wanted, or cannot be answered; one line."""


def run_token(settings: TokenGroup, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Prints what was asked for. Exit code 0; 1 where nothing could be made; 6 for a token that is no good."""
    try:
        token = settings.check.get_secret_value()
        if token:
            return _explain(_keys(settings), _standard_input() if token == STANDARD_INPUT else token, now())
        for line in _lines(settings, now()):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (AskedError, FileError, ValueError) as error:
        return fail("token", error)
    return FINE


def _lines(settings: TokenGroup, now: datetime) -> Iterator[str]:
    wanted = [settings.device and not settings.hash, settings.devices, settings.hash, settings.new_key]
    if sum(map(bool, wanted)) != 1:
        raise AskedError("give one of --device, --devices-file, --check, --hash and --new-key")
    if settings.new_key:
        # The day and some chance: two keys of one day are still two.
        yield f"k{now:%Y%m%d}-{secrets.token_hex(2)}: {secrets.token_hex(32)}"
    elif settings.hash:
        hashed = hash_secret(_secret(), secrets.token_bytes(16), settings.hash_form)
        yield f"{settings.device}:{hashed}" if settings.device else hashed
    else:
        yield from _tokens(settings, now)


def _tokens(settings: TokenGroup, now: datetime) -> Iterator[str]:
    keys, ends = _keys(settings), settings.ends(now)
    if ends <= now:
        raise AskedError(f"--expires {ends.isoformat()} is in the past: the token would let nobody in")
    expires = int(ends.timestamp())
    if settings.devices is None:
        yield make_token(keys, settings.device, expires)
        return
    # All of them first: half a list that ends in an error would be taken for the whole.
    devices = _devices(settings.devices)
    yield from [f"{device}\t{make_token(keys, device, expires)}" for device in devices]


def _devices(path: Path) -> list[str]:
    found = Watched("token.devices-file", path, lambda text: [line.strip() for line in text.splitlines()])
    return [device for device in found.value if device and not device.startswith("#")]


def _keys(settings: TokenGroup) -> Keys:
    if settings.key_file is None:
        raise AskedError(
            "--ingress.token-key-file is needed; `taosink token --new-key` makes what stands in it"
        )
    return Watched("ingress.token-key-file", settings.key_file, parse_keys).value


def _explain(keys: Keys, token: str, now: datetime) -> int:
    try:
        claims = read_token(keys, token)
    except TokenError as error:
        sys.stdout.write(f"no good: {error.text}\n")
        return FAULT
    ends = datetime.fromtimestamp(claims.expires, UTC)
    for line in _told(claims, ends, now):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return FINE if ends > now else FAULT


def _told(claims: Claims, ends: datetime, now: datetime) -> Iterator[str]:
    # Whoever has a key can put anything into a token, a terminal's commands too.
    yield f"device:  {claims.device if claims.device.isprintable() else ascii(claims.device)}"
    yield f"key:     {claims.key}"
    left = abs(ends - now)
    when = f"{left.days} d {left.seconds // 3600} h"
    yield f"expires: {ends.isoformat()} ({f'in {when}' if ends > now else f'{when} ago'})"
    yield "good" if ends > now else "no good: it has expired"


def _secret() -> str:
    found = getpass("secret: ") if sys.stdin.isatty() else _standard_input()
    if not found:
        raise AskedError("standard input holds no secret")
    return found


def _standard_input() -> str:
    return sys.stdin.readline().rstrip("\r\n")
