"""Faults of the embedded broker, for tests: requests that fail, connections that are refused."""

import ctypes
from collections.abc import Sequence

from taosink.embedded.librdkafka import MockCluster

PRODUCE, INIT_PRODUCER_ID = 0, 22
"""Kafka's numbers of the requests (https://kafka.apache.org/protocol)."""


def fail_next(cluster: MockCluster, request: int, errors: Sequence[int]) -> None:
    """The next requests of this kind are answered with these error codes, one each."""
    push = cluster.library.rd_kafka_mock_push_request_errors_array
    push.restype = None
    push.argtypes = [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)]
    push(cluster.pointer, request, len(errors), (ctypes.c_int * len(errors))(*errors))


def heal(cluster: MockCluster, request: int) -> None:
    """Takes back what `fail_next` has still to fail."""
    clear = cluster.library.rd_kafka_mock_clear_request_errors
    clear.restype, clear.argtypes = None, [ctypes.c_void_p, ctypes.c_int16]
    clear(cluster.pointer, request)


def set_up(cluster: MockCluster, up: bool) -> None:
    """Cuts all connections and refuses new ones; or takes them again. What the broker holds stays."""
    name = "rd_kafka_mock_broker_set_up" if up else "rd_kafka_mock_broker_set_down"
    function = getattr(cluster.library, name)
    function.restype, function.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]
    function(cluster.pointer, -1)
