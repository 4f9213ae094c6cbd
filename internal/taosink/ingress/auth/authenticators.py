"""The ways in which a device can prove who it is. Each is an `ingress.ports.Authenticator`."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from taosink.ingress.auth.certificate import CertificateNameError, NameKind, device_of
from taosink.ingress.auth.secret_checks import SecretChecks
from taosink.ingress.auth.secrets_file import Secrets
from taosink.ingress.auth.tokens import Keys, TokenError, check_token
from taosink.ingress.ports import Ask, Verdict

log = structlog.get_logger(__name__)

Certificate = Mapping[str, Any] | None
T = TypeVar("T")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_LONGEST_TEXT = 200

# One text for both: which devices exist is nobody's business.
WRONG_SECRET = Verdict(False, code="unauthorized", text="the device or its secret is wrong")
NO_DEVICE = Verdict(False, code="unauthorized", text="no device is named")
BUSY = Verdict(False, code="busy", text="too many devices are connecting; try again")


class FileError(Exception):
    """A file of keys or secrets that cannot be used: names it and the reason, and no secret."""


class Watched(Generic[T]):
    """A file's content, read at the start and at each `reload`. Raises FileError at the start alone."""

    def __init__(self, setting: str, path: Path, parse: Callable[[str], T]) -> None:
        self._setting, self._path, self._parse = setting, path, parse
        self.value = self._read()

    def __repr__(self) -> str:
        return f"<Watched {self._path}>"

    def reload(self) -> bool:
        """Reads the file again; where it cannot be used the old content stays, and the log says so."""
        try:
            self.value = self._read()
        except FileError as error:
            do = "the old content stays in use; mend the file and send SIGHUP again"
            log.error("ingress.auth_reload_failed", reason=str(error), do=do)
            return False
        log.info("ingress.auth_reloaded", file=str(self._path))
        return True

    def _read(self) -> T:
        try:
            return self._parse(self._path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(
                f"{self._setting} {self._path}: cannot be read: {error.strerror or type(error).__name__}"
            ) from None
        except UnicodeError:
            raise FileError(f"{self._setting} {self._path}: is no UTF-8 text") from None
        except ValueError as error:
            raise FileError(f"{self._setting} {self._path}: {error}") from None


class TokenAuth:
    """Signed tokens. Where no device is named, as over HTTP, it is the token's."""

    def __init__(self, keys: Watched[Keys], *, leeway: float, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._leeway, self._clock = keys, leeway, clock

    def __repr__(self) -> str:
        return f"<TokenAuth {self._keys!r}>"

    async def check(self, device: str, token: str | None, peer_certificate: Certificate) -> Verdict:  # noqa: ARG002 -- the port's signature
        if not token:
            return Verdict(False, code="unauthorized", text="a token is needed")
        try:
            claims = check_token(self._keys.value, token, device, now=self._clock(), leeway=self._leeway)
        except TokenError as error:
            return Verdict(False, code=error.code, text=error.text)
        return Verdict(True, claims.device)

    def reload(self) -> None:
        self._keys.reload()

    def close(self) -> None:
        """Nothing is held."""


class SecretAuth:
    """Pairs of device and secret. Where no device is named, as over HTTP, the token is `device:secret`."""

    def __init__(self, file: Watched[Secrets], *, limit: int) -> None:
        self._file = file
        self._checks = SecretChecks(file.value, limit=limit)

    def __repr__(self) -> str:
        return f"<SecretAuth {self._file!r} {self._checks!r}>"

    async def check(self, device: str, token: str | None, peer_certificate: Certificate) -> Verdict:  # noqa: ARG002 -- the port's signature
        if not token:
            return Verdict(False, code="unauthorized", text="a secret is needed, as token")
        if not device:
            device, _, token = token.partition(":")
        outcome = await self._checks.check(device, token)
        if outcome == "busy":
            return BUSY
        return Verdict(True, device) if outcome == "right" else WRONG_SECRET

    def reload(self) -> None:
        if self._file.reload():
            self._checks.replace(self._file.value)

    def close(self) -> None:
        """Waits for comparisons that run."""
        self._checks.close()


class CertificateAuth:
    """The device is the one that the client's certificate names; tokens are not looked at."""

    def __init__(self, kind: NameKind, prefix: str) -> None:
        self._kind, self._prefix = kind, prefix

    def __repr__(self) -> str:
        return f"<CertificateAuth {self._kind} {self._prefix!r}>"

    async def check(self, device: str, token: str | None, peer_certificate: Certificate) -> Verdict:  # noqa: ARG002 -- the port's signature
        try:
            named = device_of(peer_certificate, self._kind, self._prefix)
        except CertificateNameError as error:
            return Verdict(False, code="unauthorized", text=str(error))
        if device and device != named:
            return Verdict(False, code="wrong_device", text="the client certificate is another device's")
        return Verdict(True, named)

    def reload(self) -> None:
        """Nothing is read: the authorities belong to the listener's TLS."""

    def close(self) -> None:
        """Nothing is held."""


class DelegatedAuth:
    """The application's workers decide, by their `connect.response`: status `ok` lets the device in."""

    def __init__(self, ask: Ask, *, timeout: float) -> None:
        self._ask, self._timeout = ask, timeout

    def __repr__(self) -> str:
        return f"<DelegatedAuth timeout={self._timeout:g}>"

    async def check(self, device: str, token: str | None, peer_certificate: Certificate) -> Verdict:  # noqa: ARG002 -- the port's signature
        if not device:
            return NO_DEVICE
        try:
            # The time is told and kept: whatever becomes of the question, a device is answered.
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(device, token, self._timeout)
        except TimeoutError:
            answer = None
        except Exception:  # a defect in the way of asking refuses one device, and not the connection's task
            log.exception("ingress.delegated_failed", device=device[:64], meaning="it was told to come back")
            return BUSY
        if answer is None:
            return Verdict(False, code="timeout", text="nobody decided in time; try again")
        return _decided(device, answer)

    def reload(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        """Nothing is held."""


class OpenAuth:
    """Anybody is whoever they say they are."""

    def __repr__(self) -> str:
        return "<OpenAuth>"

    async def check(self, device: str, token: str | None, peer_certificate: Certificate) -> Verdict:  # noqa: ARG002 -- the port's signature
        return Verdict(True, device)

    def reload(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        """Nothing is held."""


def _decided(device: str, answer: Mapping[str, Any]) -> Verdict:
    if answer.get("status") == "ok":
        return Verdict(True, device)
    code, text = answer.get("errorCode"), answer.get("errorMessage")
    return Verdict(
        False,
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else "unauthorized",
        text=text[:_LONGEST_TEXT] if isinstance(text, str) and text else "the application refused the device",
    )
