"""Connections of devices let in: plain ones by the loop's own server, those of TLS from their first packet on."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from taosink.ingress.tcp import DeviceSocket, Sockets

log = structlog.get_logger()

TLS_SHUTDOWN = 2.0
"""Seconds for a device's part of TLS's end."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""Half-open sockets end after two minutes, also where nothing has to be sent to them."""


async def _shake_hands(
    sockets: Sockets, connection: socket.socket, peer: Any, context: ssl.SSLContext
) -> None:
    """One TLS connection until it can be used: counted and timed from its first packet on."""
    device = DeviceSocket(sockets)
    if not device.admit(str(peer[0]), tls=True):
        connection.close()
        return
    try:
        await sockets.loop.connect_accepted_socket(
            lambda: device,
            connection,
            ssl=context,
            # The session's own deadline comes first, and is counted.
            ssl_handshake_timeout=sockets.gateway.limits.handshake + TLS_SHUTDOWN,
            ssl_shutdown_timeout=TLS_SHUTDOWN,
        )
    except (OSError, asyncio.CancelledError) as error:
        # ssl's errors and timeouts are OSErrors: strangers, old clients, a wrong authority.
        device.fail(_reason(error))


async def _accept_tls(sockets: Sockets, listener: socket.socket, context: ssl.SSLContext) -> None:
    # Not by the loop's own server: that tells of a connection after its handshake alone.
    with listener:
        while not sockets.closed:
            try:
                connection, peer = await sockets.loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, mostly: the backlog holds the others meanwhile.
                sockets.gateway.counting.count("refused", "accept_failed")
                log.warning("ingress.accept_failed", error=str(error))
                await asyncio.sleep(0.1)
                continue
            connection.setblocking(False)
            sockets.start(_shake_hands(sockets, connection, peer, context))


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls_certificate"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    return "handshake_timeout" if isinstance(error, TimeoutError) else "left"


async def serve(
    sockets: Sockets, listeners: Sequence[socket.socket], *, tls: ssl.SSLContext | None, backlog: int
) -> list[asyncio.Server]:
    """Accepts devices on these sockets, which are closed with the servers or by `Sockets.end`."""
    for listener in listeners:
        # What is accepted inherits them.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in KEEPALIVE:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
    if tls is None:
        front = partial(DeviceSocket, sockets)
        return [await sockets.loop.create_server(front, sock=s, backlog=backlog) for s in listeners]
    for listener in listeners:
        sockets.accept(_accept_tls(sockets, listener, tls))
    return []
