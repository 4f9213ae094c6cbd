"""The gateway's addresses: bound before anything else is begun, served once there is something to serve."""

import socket
from collections.abc import Sequence

from taosink.observe.listen_rule import Address, check_listener, parse_address
from taosink.serving.serve import BACKLOG, CannotListenError, bind
from taosink.settings.ingress import ListenSettings


class RefusedError(Exception):
    """The gateway must not start as it is set up; one line for an operator."""


class Listeners:
    """The three addresses, bound. Raises RefusedError or CannotListenError; no socket is left open then."""

    def __init__(self, settings: ListenSettings) -> None:
        problem = settings.admin and check_listener(settings.admin, settings.admin_token.get_secret_value())
        if problem:
            raise RefusedError(f"ingress.admin-listen: {problem}")
        self.tcp: Sequence[socket.socket] = ()
        self.http: Sequence[socket.socket] = ()
        self.admin: Sequence[socket.socket] = ()
        try:
            self.tcp = _bound("ingress.tcp-listen", settings.tcp, settings.backlog)
            self.http = _bound("ingress.http-listen", settings.http, settings.backlog)
            self.admin = _bound("ingress.admin-listen", settings.admin)
        except BaseException:
            self.close()
            raise
        self.admin_is_local = not settings.admin or parse_address(settings.admin).loopback

    def __repr__(self) -> str:
        return f"<Listeners {self.where()}>"

    def where(self) -> dict[str, str]:
        """The real addresses, for the log."""
        listeners = {"tcp": self.tcp, "http": self.http, "admin": self.admin}
        return {name: shown(sockets[0]) for name, sockets in listeners.items() if sockets}

    def close(self) -> None:
        """Idempotent; also those that a server owns."""
        for listener in (*self.tcp, *self.http, *self.admin):
            listener.close()


def _bound(setting: str, address: str, backlog: int = BACKLOG) -> Sequence[socket.socket]:
    try:
        return bind(parse_address(address), backlog) if address else ()
    except CannotListenError as error:
        raise CannotListenError(f"{setting}: {error}") from None


def shown(listener: socket.socket) -> str:
    host, number = listener.getsockname()[:2]
    return str(Address(str(host), int(number)))
