"""librdkafka's mock cluster in this process: real TCP, real groups, 5 MiB a partition, no admin calls."""

import ctypes
from pathlib import Path

import confluent_kafka
from support.kafka_broker import Kind


def find_library() -> Path:
    """The librdkafka inside the confluent-kafka wheel."""
    package = Path(confluent_kafka.__file__).parent
    for folder in (package.parent / "confluent_kafka.libs", package / ".dylibs"):
        for found in sorted(folder.glob("librdkafka*")):
            return found
    raise FileNotFoundError(f"no librdkafka beside {package}")


def load() -> ctypes.CDLL:
    lib = ctypes.CDLL(str(find_library()))
    lib.rd_kafka_conf_new.restype = ctypes.c_void_p
    lib.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, *[ctypes.c_char_p] * 3, ctypes.c_size_t]
    lib.rd_kafka_new.restype = ctypes.c_void_p
    lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    lib.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_mock_cluster_destroy.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    lib.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_down.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_up.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.rd_kafka_mock_set_apiversion.argtypes = [ctypes.c_void_p, *[ctypes.c_int16] * 3]
    return lib


class MockKafka:
    """One broker. `stop` and `kill` cut its connections; its data stay in memory."""

    kind: Kind = "mock"
    real = False
    controllable = True

    def __init__(self) -> None:
        self._lib = load()
        conf = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set(conf, b"log_level", b"0", None, 0)
        self._rk = self._lib.rd_kafka_new(0, conf, None, 0)
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._rk, 1)
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.bootstrap: str = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self.description = f"librdkafka's mock cluster at {self.bootstrap}"

    def __repr__(self) -> str:
        return f"<MockKafka {self.bootstrap}>"

    def create_topic(self, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:  # noqa: ARG002 - the mock has no topic settings
        if error := self._lib.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1):
            raise RuntimeError(f"topic {topic}: librdkafka error {error}")

    def delete_topic(self, topic: str) -> None:
        raise NotImplementedError("the mock cluster cannot delete a topic")

    def refuse(self, api_key: int) -> None:
        """From now on the broker does not offer that request, as an older one would."""
        self._lib.rd_kafka_mock_set_apiversion(self._cluster, api_key, -1, -1)

    def stop(self) -> None:
        self._lib.rd_kafka_mock_broker_set_down(self._cluster, 1)

    kill = stop

    def start(self) -> None:
        self._lib.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def close(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            self._lib.rd_kafka_mock_cluster_destroy(cluster)
            self._lib.rd_kafka_destroy(self._rk)
