"""librdkafka's mock cluster, through ctypes on the library that the confluent-kafka wheel brings."""

import ctypes
import ctypes.util
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_PRODUCER = 0  # rd_kafka_type_t: the handle's kind does not matter, the cluster only needs one to live in
_REPLICATION = 1
# Consumers of the newer group protocol beat at an interval that the broker sets. With the mock's own 3 s and
# 30 s, a group of the demo would wait half a minute for the partitions of a member that was killed.
_HEARTBEAT_MS = 500
_SESSION_TIMEOUT_MS = 6000


class BrokerLibraryMissingError(RuntimeError):
    """No librdkafka with a mock cluster on this machine, so there is no embedded broker."""


class BrokerFailedError(RuntimeError):
    """librdkafka refused to make the cluster or a topic."""


def library_paths() -> Iterator[Path]:
    """Where the confluent-kafka wheels keep librdkafka; found without importing the package."""
    spec = importlib.util.find_spec("confluent_kafka")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        home = Path(package)
        yield from sorted(home.parent.glob("confluent_kafka.libs/librdkafka*.so*"))
        yield from sorted(home.glob(".dylibs/librdkafka*.dylib"))


def load_library() -> ctypes.CDLL:
    """The library with its functions declared. Raises BrokerLibraryMissingError."""
    names = [str(path) for path in library_paths()]
    # Where pip had to build confluent-kafka (musl), it is linked against the system's librdkafka.
    system = ctypes.util.find_library("rdkafka")
    for name in [*names, *([system] if system else [])]:
        try:
            return declare(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
    raise BrokerLibraryMissingError(
        f"embedded broker: no librdkafka with a mock cluster found for Python {sys.version_info.major}."
        f"{sys.version_info.minor} on {sys.platform}: install the confluent-kafka wheel, or use a real broker"
    )


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Gives every function its types: without them ctypes passes pointers as C ints and cuts them in half."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_conf_destroy", None, [pointer]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_err2str", text, [number]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_set_controller_id", None, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """One broker on a port of its own on loopback, alive inside `with`. One thread opens and closes it.

    It keeps at most 5 MiB of encoded data per partition and silently drops what is older, forgets everything
    when it ends, has neither TLS nor SASL, and answers no admin call beyond metadata and group offsets.
    A topic that a producer asks for is made where it is missing (4 partitions); no call switches that off.
    """

    def __init__(self, topics: Mapping[str, int], *, library: ctypes.CDLL | None = None) -> None:
        self._topics = dict(topics)
        self._library = library if library is not None else load_library()
        self._handle: int | None = None
        self._cluster: int | None = None

    def __repr__(self) -> str:
        state = self.bootstrap if self._cluster else "closed"
        return f"MockCluster({state}, topics={self._topics})"

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def library(self) -> ctypes.CDLL:
        return self._library

    @property
    def pointer(self) -> int:
        """The `rd_kafka_mock_cluster_t *`, for other calls. Raises BrokerFailedError when closed."""
        if self._cluster is None:
            raise BrokerFailedError("embedded broker: it is not open")
        return self._cluster

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:PORT`."""
        answer: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self.pointer)
        return answer.decode("ascii")

    def create_topic(self, name: str, partitions: int) -> None:
        """Raises BrokerFailedError where the name is taken or the count is not positive."""
        if partitions < 1:
            raise BrokerFailedError(
                f"embedded broker: topic {name!r} needs at least 1 partition, not {partitions}"
            )
        code = self._library.rd_kafka_mock_topic_create(self.pointer, name.encode(), partitions, _REPLICATION)
        if code:
            reason = self._library.rd_kafka_err2str(code).decode()
            raise BrokerFailedError(f"embedded broker: topic {name!r} with {partitions} partitions: {reason}")

    def close(self) -> None:
        """Ends the broker at once, with all that it holds. Idempotent."""
        cluster, self._cluster = self._cluster, None
        handle, self._handle = self._handle, None
        if cluster is not None:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if handle is not None:
            self._library.rd_kafka_destroy(handle)

    def _open(self) -> None:
        library, reason = self._library, ctypes.create_string_buffer(512)
        conf = library.rd_kafka_conf_new()
        # log_level 0: a client that goes away is no news, and its line would stand in the middle of a table.
        library.rd_kafka_conf_set(conf, b"log_level", b"0", reason, len(reason))
        self._handle = library.rd_kafka_new(_PRODUCER, conf, reason, len(reason))
        if self._handle is None:
            library.rd_kafka_conf_destroy(conf)
            raise BrokerFailedError(f"embedded broker: {reason.value.decode(errors='replace')}")
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        if self._cluster is None:
            raise BrokerFailedError("embedded broker: librdkafka made no cluster (no free port on loopback?)")
        # The mock names a controller that does not exist, so that admin calls wait for it until they time
        # out; with one that exists they are answered at once: not supported by this broker.
        library.rd_kafka_mock_set_controller_id(self._cluster, 1)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self._set_group_timing()
        for name, partitions in self._topics.items():
            self.create_topic(name, partitions)

    def _set_group_timing(self) -> None:
        for name, milliseconds in (
            ("rd_kafka_mock_set_group_consumer_heartbeat_interval_ms", _HEARTBEAT_MS),
            ("rd_kafka_mock_set_group_consumer_session_timeout_ms", _SESSION_TIMEOUT_MS),
        ):
            function = getattr(self._library, name, None)  # absent before librdkafka 2.10
            if function is not None:
                function.restype, function.argtypes = None, [ctypes.c_void_p, ctypes.c_int]
                function(self._cluster, milliseconds)
