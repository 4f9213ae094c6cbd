"""From the settings to the authenticator that they choose."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from taosink.ingress.auth.authenticators import (
    CertificateAuth,
    DelegatedAuth,
    FileError,
    OpenAuth,
    SecretAuth,
    TokenAuth,
    Watched,
)
from taosink.ingress.auth.secrets_file import parse_secrets
from taosink.ingress.auth.tokens import parse_keys
from taosink.ingress.ports import Ask, Authenticator
from taosink.settings.ingress_auth import CHOICES, IngressAuthSettings

log = structlog.get_logger(__name__)


class AuthError(Exception):
    """The gateway must not start: it could not tell devices apart. One line, which says what to give."""


class ClosableAuthenticator(Authenticator, Protocol):
    """An authenticator with threads or files of its own."""

    def close(self) -> None:
        """Ends its threads; waits for at most a comparison of secrets. Idempotent."""
        ...


def make_authenticator(
    settings: IngressAuthSettings, *, ask: Ask, clock: Callable[[], float] = time.time
) -> ClosableAuthenticator:
    """What `ingress.auth` chooses. `ask` is used by `delegated` alone. Blocks for files; raises AuthError.

    Where nothing is chosen nothing starts: letting everybody in is a choice that somebody makes.
    """
    try:
        return _chosen(settings, ask, clock)
    except FileError as error:
        raise AuthError(str(error)) from None


def _chosen(settings: IngressAuthSettings, ask: Ask, clock: Callable[[], float]) -> ClosableAuthenticator:
    match settings.mode:
        case "token":
            path = _given(settings.token_keys, "ingress.token-key-file")
            keys = Watched("ingress.token-key-file", path, parse_keys)
            return TokenAuth(keys, leeway=settings.token_leeway, clock=clock)
        case "secrets":
            path = _given(settings.secrets, "ingress.secrets-file")
            parse = partial(parse_secrets, toml=path.suffix == ".toml")
            return SecretAuth(Watched("ingress.secrets-file", path, parse), limit=settings.secret_checks)
        case "mtls":
            return CertificateAuth(settings.certificate_name, settings.certificate_prefix)
        case "delegated":
            return DelegatedAuth(ask, timeout=settings.delegated_timeout)
        case "open":
            log.warning(
                "ingress.open_mode",
                means="any device is believed to be whoever it says, and may write as any other",
                do="set ingress.auth to token, secrets, mtls or delegated",
            )
            return OpenAuth()
    choices = ", ".join(f"{name} ({about})" for name, about in CHOICES.items())
    raise AuthError(f"ingress.auth is not given; choose how devices prove who they are: {choices}")


def _given(path: Path | None, setting: str) -> Path:
    if path is None:
        raise AuthError(f"{setting} is needed by ingress.auth")
    return path
