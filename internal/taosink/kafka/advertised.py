"""The names that brokers give themselves: clients are sent on to them, and they may be known elsewhere only."""

import socket
import threading

from confluent_kafka.admin import AdminClient

from taosink.kafka.errors import unknown_name
from taosink.kafka.topics import METADATA_TIMEOUT_S, BrokerUnreachableError, metadata

PATIENCE = 3.0
"""Seconds for the system's resolver, which cannot be interrupted; who is late counts as known."""


def refuse_unknown_names(admin: AdminClient, *, timeout: float = METADATA_TIMEOUT_S) -> None:
    """For a process that ends where it cannot work. Raises BrokerUnreachableError where no broker's own name is
    known here: every request would wait for one until its time is over. Blocks for `timeout` and the resolver."""
    brokers = metadata(admin, timeout=timeout).brokers
    addresses = [(str(broker.host), int(broker.port)) for broker in brokers.values()]
    unknown = [address for address in addresses if not _known(*address)]
    if addresses and len(unknown) == len(addresses):
        fault = unknown_name(", ".join(f"{host}:{number}" for host, number in unknown), advertised=True)
        raise BrokerUnreachableError("*", fault.code, "_RESOLVE", str(fault))


def _known(host: str, number: int) -> bool:
    found = [True]

    def ask() -> None:
        try:
            socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        except OSError:
            found[0] = False

    thread = threading.Thread(target=ask, name="broker-name", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return found[0]
