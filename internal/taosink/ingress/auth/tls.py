"""TLS for listeners: one context for the life of a listener, with certificates that can be renewed in it."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from taosink.ingress.auth.certificate_dates import expiry
from taosink.settings.ingress_auth import IngressTlsSettings

log = structlog.get_logger(__name__)

WARN_BEFORE = timedelta(days=14)


class TlsError(Exception):
    """The listener cannot speak TLS; the message names the setting, the file and the reason in one line."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a context is made of. With `client_ca` a client without a certificate by it is refused."""

    cert: Path
    key: Path
    key_password: str = field(default="", repr=False)
    client_ca: Path | None = None


class ReloadableTls:
    """A server's context. `context` is handed to listeners once and stays; what it offers to new connections
    changes with `reload`. Used from one thread (the event loop's), as its listeners are.

    Raises TlsError where the files cannot be used.
    """

    def __init__(self, files: TlsFiles, *, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._clock = clock
        self._renewed = 0.0
        self.context = self._current = _build(files)
        self.expires = self._look_at_dates()
        self.context.sni_callback = self._choose

    def __repr__(self) -> str:
        return f"<ReloadableTls {self._files.cert} until {self.expires}>"

    @property
    def wants_certificates(self) -> bool:
        """Whether clients need a certificate."""
        return self._files.client_ca is not None

    def reload(self) -> None:
        """Reads the files anew. New connections get what they hold now, present ones go on. Never raises:
        files that cannot be used are logged, and the old ones stay in use. Blocks for the files."""
        try:
            self._current = _build(self._files)
        except TlsError as error:
            log.error(
                "ingress.tls_reload_failed", reason=str(error), do="mend the file and send SIGHUP again"
            )
            return
        self._renewed = time.time()
        self.expires = self._look_at_dates()
        log.info("ingress.tls_reloaded", certificate=str(self._files.cert), expires=_written(self.expires))

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> int | None:
        # Asked in every handshake, also where the client names no server. It swaps the certificate and the
        # authorities; the rest (versions, that a client's certificate is needed) is the first context's.
        if self._current is self.context:
            return None
        if self.wants_certificates and self._is_of_before(connection):
            return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
        connection.context = self._current
        return None

    def _is_of_before(self, connection: ssl.SSLObject) -> bool:
        # A session that is taken up again skips the check of the certificate: one whose authority was taken out
        # of the file would still come in. The alert makes both sides forget it; the next attempt is checked.
        if not connection.session_reused:
            return False  # its session is in the making, and cannot be looked at
        session = connection.session
        return session is None or session.time <= self._renewed

    def _look_at_dates(self) -> datetime | None:
        try:
            ends = expiry(self._files.cert.read_text("utf-8", "replace"))
        except OSError:
            return None
        now = datetime.fromtimestamp(self._clock(), UTC)
        if ends is not None and ends <= now + WARN_BEFORE:
            event = "ingress.certificate_expired" if ends <= now else "ingress.certificate_expires_soon"
            do = "renew it and send SIGHUP; devices that check certificates refuse an expired one"
            log.warning(event, certificate=str(self._files.cert), expires=_written(ends), do=do)
        return ends


def make_tls(settings: IngressTlsSettings, *, clock: Callable[[], float] = time.time) -> ReloadableTls | None:
    """TLS as the settings want it, None where no certificate is given. Raises TlsError. Blocks for files."""
    if settings.cert is None or settings.key is None:
        return None
    password = settings.key_password.get_secret_value()
    return ReloadableTls(TlsFiles(settings.cert, settings.key, password, settings.client_ca), clock=clock)


def _build(files: TlsFiles) -> ssl.SSLContext:
    # The client's protocol object would check names; a server's has nothing to check them against.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Renegotiation by a client is work for the server alone; compression tells of what is inside.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    _readable("ingress.tls-cert", files.cert)
    _check_key(files)
    try:
        # Without a function OpenSSL would ask for the password on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: files.key_password)
    except ssl.SSLError as error:
        raise TlsError(_why_unusable(files, error)) from None
    if files.client_ca is not None:
        _demand_certificates(context, files.client_ca)
    return context


def _demand_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    _readable("ingress.tls-client-ca", authorities)
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise TlsError(
            f"ingress.tls-client-ca {authorities}: holds no certificate ({_reason(error)})"
        ) from None
    context.verify_mode = ssl.CERT_REQUIRED
    # A ticket would outlive the authorities that its owner's certificate was checked by. Sessions that TLS 1.2
    # keeps here cannot be switched off: they are refused when they come back.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


def _check_key(files: TlsFiles) -> None:
    text = _readable("ingress.tls-key", files.key)
    if "PRIVATE KEY" not in text:
        raise TlsError(f"ingress.tls-key {files.key}: holds no private key in PEM form")
    if "ENCRYPTED" in text and not files.key_password:
        raise TlsError(f"ingress.tls-key {files.key}: needs a password, in ingress.tls-key-password")


def _readable(setting: str, path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise TlsError(f"{setting} {path}: cannot be read: {error.strerror}") from None


def _why_unusable(files: TlsFiles, error: ssl.SSLError) -> str:
    reason = _reason(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"ingress.tls-key {files.key}: is not the key of the certificate in {files.cert}"
    if "BEGIN CERTIFICATE" not in _readable("ingress.tls-cert", files.cert):
        return f"ingress.tls-cert {files.cert}: holds no certificate in PEM form"
    if files.key_password:
        return f"ingress.tls-key {files.key}: cannot be read, or its password is wrong ({reason})"
    return f"ingress.tls-cert {files.cert} with {files.key}: cannot be used ({reason})"


def _reason(error: ssl.SSLError) -> str:
    return error.reason or str(error.strerror or error)


def _written(when: datetime | None) -> str:
    return when.isoformat() if when else "unknown"
