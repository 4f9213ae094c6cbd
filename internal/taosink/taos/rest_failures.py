"""What goes wrong around HTTP, as numbers: the one place that reads urllib3's exceptions and statuses."""

import ssl

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError, SSLError

from taosink.taos.errors import Local

NOT_REST = "is this address taosAdapter's REST (6041 by default), and no other service?"
_SHOWN_BYTES = 120

_WORDS = {
    Local.CONNECT: "no connection",
    Local.TIMEOUT: "no answer in time; the statement may have been stored",
    Local.BROKEN: "the connection broke before the answer; the statement may have been stored",
    Local.TLS: "no trusted TLS connection; check http or https, the CA and the certificate's names",
}


def from_exception(error: Exception) -> tuple[Local, str]:
    """Number and message for an exception of urllib3 or of the socket below it."""
    number = _number(error)
    return number, f"{_WORDS[number]} ({_innermost(error)})"


def from_status(status: int, body: bytes) -> tuple[Local, str]:
    """Number and message for an HTTP answer that carries no TDengine number of its own."""
    said = f"HTTP {status}, {body[:_SHOWN_BYTES].decode('utf-8', 'replace')!r}"
    if status in {401, 403}:
        return Local.REFUSED, said
    if status == 413:
        return Local.TOO_LARGE, said
    if status in {408, 429} or status >= 500:
        return Local.BUSY, said
    return Local.PROTOCOL, f"{said}; {NOT_REST}"


def _number(error: Exception) -> Local:
    if isinstance(error, SSLError):
        # The peer hung up in mid-handshake: that is a broken connection, not a matter of trust.
        return Local.BROKEN if _carries(error, ssl.SSLEOFError) else Local.TLS
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return Local.CONNECT
    if isinstance(error, ReadTimeoutError) or _carries(error, TimeoutError):
        return Local.TIMEOUT
    return Local.BROKEN


def _carries(error: Exception, kind: type[BaseException]) -> bool:
    return any(isinstance(part, kind) for part in (error, *error.args))


def _innermost(error: Exception) -> str:
    """The cause's own words: urllib3's wrapping repeats object addresses and paths."""
    inner: BaseException = error
    while inner.args and isinstance(inner.args[-1], BaseException):
        inner = inner.args[-1]
    text = str(inner.args[-1] if inner.args else "").rpartition("): ")[2]
    return f"{type(inner).__name__}: {text}" if text else type(inner).__name__
