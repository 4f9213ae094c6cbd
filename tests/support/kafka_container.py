"""Apache Kafka in a container, where a Docker engine answers and has (or can pull) the image."""

import shutil
import subprocess
import time
from pathlib import Path

from support.kafka_broker import (
    START_SECONDS,
    AdminTopics,
    KafkaMissingError,
    Kind,
    free_ports,
    wait_until_ready,
)
from support.kafka_jars_broker import PROPERTIES, version

IMAGE = f"apache/kafka:{version()}"


def engine_answers() -> bool:
    if not shutil.which("docker"):
        return False
    try:
        ask = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(ask, capture_output=True, check=False, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class ContainerKafka(AdminTopics):
    """One KRaft node in a container; its port is bound on loopback and stays the same over a restart."""

    kind: Kind = "container"
    real = True
    controllable = True

    def __init__(self, _work: Path) -> None:
        if not engine_answers():
            raise KafkaMissingError("no Docker engine answers")
        from testcontainers.core.container import DockerContainer

        [port] = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        self.description = f"Apache Kafka {version()} (container) at {self.bootstrap}"
        settings = {k: v for k, v in PROPERTIES.items() if "sasl" not in k} | {
            "controller.quorum.voters": "1@127.0.0.1:9093",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
        }
        self._container = DockerContainer(IMAGE).with_bind_ports(9092, port)
        for name, value in settings.items():
            self._container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        try:
            self._container.start()
        except Exception as error:  # docker's client raises its own, requests' and urllib3's
            raise KafkaMissingError(f"the container of {IMAGE} did not start: {error}") from error
        self._wait()

    def _wait(self) -> None:
        if not wait_until_ready(self.bootstrap, time.monotonic() + START_SECONDS):
            self.close()
            raise KafkaMissingError(f"no answer from {IMAGE} in {START_SECONDS:g} s")

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._wait()

    def close(self) -> None:
        self._container.stop()
