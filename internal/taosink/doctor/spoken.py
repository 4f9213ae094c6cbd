"""Finds out what speaks at an address, whatever it ought to be: by saying little and reading less."""

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

API_VERSIONS, SASL_HANDSHAKE = 18, 17
CONSUMER_HEARTBEAT = 68
"""The request of KIP-848; a broker that offers it serves the group protocol `consumer`."""

_CORRELATION = 0x7A05
_MOST = 64 * 1024
_NO_LOGIN_STATE = 34
_NO_SUCH_MECHANISM = 33
_HTTP_REQUEST = (
    b"GET /-/ping HTTP/1.1\r\nHost: taosink\r\nUser-Agent: taosink-doctor\r\nConnection: close\r\n\r\n"
)


class Spoken(StrEnum):
    KAFKA = "kafka"
    HTTP = "http"
    TLS = "tls"
    SOMETHING = "something"
    """It takes connections and speaks none of the three."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Heard:
    """`detail` is the system's or the peer's own words. Of a Kafka broker: the requests that it takes, and the
    SASL mechanisms that this listener takes (empty: it asks for no login; None: it did not say)."""

    spoken: Spoken
    detail: str = ""
    requests: frozenset[int] = frozenset()
    mechanisms: tuple[str, ...] | None = None


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name. Blocks for as long as the system's resolver does; raises OSError."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def listen(
    host: str,
    port: int,
    timeout: float,
    *,
    first: Spoken = Spoken.KAFKA,
    tls: ssl.SSLContext | None = None,
) -> Heard:
    """What answers there; `first` is what is expected, and asked for first. With `tls` everything is asked inside
    of it, and `ssl.SSLError` is raised where that cannot be had. Blocks for about `timeout` seconds at most (and
    for the resolver)."""
    each = timeout / 4
    asked = [first, *(s for s in (Spoken.KAFKA, Spoken.HTTP) if s is not first)]
    try:
        for spoken in asked:
            heard = _ask(spoken, host, port, each, tls)
            if heard is not None:
                return heard
        if tls is None and _speaks_tls(host, port, each):
            return Heard(Spoken.TLS)
    except ssl.SSLError:
        raise
    except OSError as error:
        return _unreachable(error)
    return Heard(Spoken.SOMETHING)


def reach(host: str, number: int, timeout: float) -> Heard | None:
    """None where a connection is taken, else why not."""
    try:
        _connect(host, number, timeout, None).close()
    except OSError as error:
        return _unreachable(error)
    return None


def _unreachable(error: OSError) -> Heard:
    detail = error.strerror or os.strerror(error.errno or 0) if error.errno else str(error)
    if isinstance(error, socket.gaierror):
        return Heard(Spoken.UNRESOLVED, str(error.strerror or error))
    return Heard(
        Spoken.REFUSED if isinstance(error, ConnectionRefusedError) else Spoken.UNREACHABLE, str(detail)
    )


def _connect(host: str, port: int, timeout: float, tls: ssl.SSLContext | None) -> socket.socket:
    plain = socket.create_connection((host.strip("[]"), port), timeout)
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=host.strip("[]"))
    except ssl.SSLError:
        plain.close()
        raise
    except OSError as error:
        plain.close()
        # The connection was taken: that it breaks in the handshake tells of TLS, and not of the network.
        raise ssl.SSLError(str(error)) from error


def _ask(spoken: Spoken, host: str, port: int, timeout: float, tls: ssl.SSLContext | None) -> Heard | None:
    """None where it does not speak that. Only the connecting itself raises OSError."""
    with contextlib.closing(_connect(host, port, timeout, tls)) as peer:
        try:
            return _ask_kafka(peer) if spoken is Spoken.KAFKA else _ask_http(peer)
        except ssl.SSLError as error:
            # Where a client's certificate is missing, TLS 1.3 says so only behind the handshake.
            if _is_alert(error):
                raise
            return None
        except (OSError, struct.error, ValueError):
            return None


def _ask_http(peer: socket.socket) -> Heard | None:
    peer.sendall(_HTTP_REQUEST)
    return _http(_some(peer, 12), peer)


def _http(start: bytes, peer: socket.socket) -> Heard | None:
    if not start.startswith(b"HTTP/"):
        return None
    with contextlib.suppress(OSError):
        start += peer.recv(200)
    return Heard(Spoken.HTTP, start.split(b"\r\n")[0].decode("latin-1")[:60])


def _ask_kafka(peer: socket.socket) -> Heard | None:
    peer.sendall(_kafka_request(API_VERSIONS, 0, b""))
    start = _some(peer, 8)
    if start.startswith(b"HTTP/"):
        return _http(start, peer)
    size, correlation = struct.unpack(">ii", start)
    if correlation != _CORRELATION or not 4 < size < _MOST:
        return None
    body = _some(peer, size - 4)
    error, count = struct.unpack_from(">hi", body)
    requests = (
        frozenset(struct.unpack_from(">h", body, 6 + 6 * i)[0] for i in range(count)) if not error else ()
    )
    return Heard(Spoken.KAFKA, "", frozenset(requests), _mechanisms(peer))


def _mechanisms(peer: socket.socket) -> tuple[str, ...] | None:
    """A login by a mechanism that nobody has: where one is asked for, the answer names those that there are."""
    name = b"TAOSINK-ASKS"
    try:
        peer.sendall(_kafka_request(SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name))
        size, correlation = struct.unpack(">ii", _some(peer, 8))
        body = _some(peer, min(size - 4, _MOST))
        error, count = struct.unpack_from(">hi", body)
        if correlation != _CORRELATION or error not in (_NO_SUCH_MECHANISM, _NO_LOGIN_STATE):
            return None
        return tuple(_texts(body[6:], count)) if error == _NO_SUCH_MECHANISM else ()
    except (OSError, struct.error, ValueError):
        return None


def _texts(body: bytes, count: int) -> list[str]:
    found, at = [], 0
    for _ in range(count):
        (size,) = struct.unpack_from(">h", body, at)
        found.append(body[at + 2 : at + 2 + size].decode())
        at += 2 + size
    return found


def _kafka_request(key: int, version: int, body: bytes) -> bytes:
    client = b"taosink-doctor"
    head = struct.pack(">hhih", key, version, _CORRELATION, len(client)) + client
    return struct.pack(">i", len(head) + len(body)) + head + body


def _some(peer: socket.socket, size: int) -> bytes:
    """Exactly so many bytes; raises OSError (a timeout) or ValueError where they do not come."""
    parts = b""
    while len(parts) < size:
        part = peer.recv(size - len(parts))
        if not part:
            raise ValueError("the peer closed the connection")
        parts += part
    return parts


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's own word for it, or what ended the handshake."""
    return str(getattr(error, "reason", None) or error)


def _is_alert(error: ssl.SSLError) -> bool:
    return "ALERT" in reason_of(error).upper()


def _speaks_tls(host: str, port: int, timeout: float) -> bool:
    # Nothing secret is sent: it is only asked whether TLS is spoken at all.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _connect(host, port, timeout, context).close()
    except ssl.SSLError as error:
        # An alert is TLS too: the server wants another version, or a certificate.
        return _is_alert(error)
    except OSError:
        return False
    return True
