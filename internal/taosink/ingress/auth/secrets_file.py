"""The file of device/secret pairs: how it is written, and how one secret is compared. Pure."""

import hashlib
import hmac
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LONGEST_SECRET = 1024
_SALT_BYTES = 16
_SCRYPT = (1 << 14, 8, 1)
_MOST_MEMORY = 64 << 20
_SHA256 = re.compile(r"sha256\$([0-9a-f]{16,64})\$([0-9a-f]{64})", re.ASCII)
_SCRYPT_FORM = re.compile(
    r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([0-9a-f]{16,64})\$([0-9a-f]{64})", re.ASCII
)

HashKind = Literal["scrypt", "sha256"]


class SecretsFileError(ValueError):
    """The file cannot be used. The message names the line or the device, never a secret."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret as it is kept: its hash, and how it was made. `cost` is scrypt's (n, r, p), None for SHA-256."""

    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    cost: tuple[int, int, int] | None = None

    def matches(self, secret: str) -> bool:
        """In constant time but for the hash; scrypt takes 16 MiB and tens of milliseconds of a processor."""
        return hmac.compare_digest(_digest(secret, self.salt, self.cost), self.digest)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The file as it was read. `decoy` is what unknown devices are compared with, at the same cost."""

    by_device: Mapping[str, Stored] = field(repr=False)
    decoy: Stored

    def __len__(self) -> int:
        return len(self.by_device)

    @property
    def slow(self) -> bool:
        """Whether any secret is kept by scrypt."""
        return self.decoy.cost is not None

    def check(self, device: str, secret: str) -> bool:
        """Whether the secret is the device's. One that is not in the file costs what one that is does."""
        if len(secret) > LONGEST_SECRET:
            return False
        stored = self.by_device.get(device)
        if stored is None:
            self.decoy.matches(secret)
            return False
        if self.slow and stored.cost is None:
            # In a mixed file the time would tell which devices exist and are kept by the cheap form.
            self.decoy.matches(secret)
        return stored.matches(secret)


def hash_secret(secret: str, salt: bytes, kind: HashKind = "scrypt") -> str:
    """The form in which a secret is kept in the file. `salt`: 16 random bytes."""
    if kind == "sha256":
        return f"sha256${salt.hex()}${_digest(secret, salt, None).hex()}"
    n, r, p = _SCRYPT
    return f"scrypt${n}${r}${p}${salt.hex()}${_digest(secret, salt, _SCRYPT).hex()}"


def parse_secrets(text: str, *, toml: bool = False) -> Secrets:
    """`device:secret` a line (# begins a comment line), or TOML: `"device" = "secret"`.

    A secret is a text, or what `taosink token --hash` printed. Raises SecretsFileError.
    """
    pairs = _toml_pairs(text) if toml else _line_pairs(text)
    found = {device: _stored(device, secret) for device, secret in pairs.items()}
    if not found:
        raise SecretsFileError("no device stands in it")
    costs = [stored.cost for stored in found.values() if stored.cost is not None]
    decoy = Stored(b"\0" * _SALT_BYTES, b"\0" * 32, max(costs, key=_work) if costs else None)
    return Secrets(found, decoy)


def _line_pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        device, colon, secret = (part.strip() for part in line.partition(":"))
        if not (colon and device and secret):
            raise SecretsFileError(f"line {number} is not `device:secret`")
        if device in found:
            raise SecretsFileError(f"line {number} names device {device!r} a second time")
        found[device] = secret
    return found


def _toml_pairs(text: str) -> dict[str, str]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SecretsFileError(f"is no TOML: {error}") from None
    for device, secret in document.items():
        if not (isinstance(secret, str) and secret and device):
            raise SecretsFileError(f'device {device!r} is not given as "device" = "secret"')
    return document


def _stored(device: str, secret: str) -> Stored:
    if found := _SHA256.fullmatch(secret):
        return Stored(bytes.fromhex(found[1]), bytes.fromhex(found[2]))
    if found := _SCRYPT_FORM.fullmatch(secret):
        cost = (int(found[1]), int(found[2]), int(found[3]))
        if not _possible(cost):
            raise SecretsFileError(f"device {device!r}: scrypt's numbers are impossible or need over 64 MiB")
        return Stored(bytes.fromhex(found[4]), bytes.fromhex(found[5]), cost)
    if secret.startswith(("sha256$", "scrypt$")):
        # Taken as a plain secret it would be one that the device cannot know.
        raise SecretsFileError(f"device {device!r}: the hash is cut or altered")
    if len(secret) > LONGEST_SECRET:
        raise SecretsFileError(f"device {device!r}: the secret is longer than {LONGEST_SECRET} characters")
    # Kept as a hash too: comparing texts tells their length.
    return Stored(b"", _digest(secret, b"", None))


def _digest(secret: str, salt: bytes, cost: tuple[int, int, int] | None) -> bytes:
    raw = secret.encode("utf-8", "surrogatepass")
    if cost is None:
        return hashlib.sha256(salt + raw).digest()
    n, r, p = cost
    return hashlib.scrypt(raw, salt=salt, n=n, r=r, p=p, maxmem=2 * _MOST_MEMORY, dklen=32)


def _possible(cost: tuple[int, int, int]) -> bool:
    n, r, p = cost
    return n > 1 and n & (n - 1) == 0 and r > 0 and 0 < p <= 16 and 128 * n * r <= _MOST_MEMORY


def _work(cost: tuple[int, int, int]) -> int:
    n, r, p = cost
    return n * r * p
