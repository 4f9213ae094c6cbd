"""The gateway's addresses: bound before anything else is begun, served once there is something to serve."""

import socket
from collections.abc import Sequence

from taosink.observe.listen_rule import Address, check_listener, parse_address
from taosink.serving.serve import bind
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
            self.tcp = bind(parse_address(settings.tcp), settings.backlog)
            self.http = bind(parse_address(settings.http), settings.backlog) if settings.http else ()
            self.admin = bind(parse_address(settings.admin)) if settings.admin else ()
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


def shown(listener: socket.socket) -> str:
    host, number = listener.getsockname()[:2]
    return str(Address(str(host), int(number)))
