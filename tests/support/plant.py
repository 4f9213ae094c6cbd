"""What a consumer's page is looked at with: broker, database, consumer, devices."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.consumer_process import LAUNCHER, ConsumerProcess, consumer
from support.kafka_broker import free_ports

from taosink.demo.child import Child
from taosink.embedded.database.server import running
from taosink.embedded.librdkafka import MockCluster


class Plant:
    """A topic, its consumer, its database, which can be stopped, and a producer."""

    def __init__(self, kafka: MockCluster, folder: Path, topic: str) -> None:
        """The database is started, and nothing else."""
        self._stack, self._database = ExitStack(), ExitStack()
        self.kafka, self.topic = kafka, topic
        self._data = folder / f"{topic}.db"
        self._number, number = free_ports(2)
        self._listen = f"127.0.0.1:{number}"
        self.url = f"http://{self._listen}"
        self.start_database()

    def __repr__(self) -> str:
        return f"<Plant {self.topic} {self.url}>"

    def close(self) -> None:
        self._stack.close()
        self._database.close()

    def start_database(self) -> None:
        self._database.enter_context(running(f"127.0.0.1:{self._number}", self._data))

    def stop_database(self) -> None:
        self._database.close()

    def start_consumer(self, **more: str) -> ConsumerProcess:
        settings = {
            "kafka.brokers": self.kafka.bootstrap,
            "topic": self.topic,
            "taosuri": f"http://root:taosdata@127.0.0.1:{self._number}/plant",
            "schema.create": "true",
            "status.listen": self._listen,
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        process = self._stack.enter_context(consumer(settings))
        process.event("status.listening")
        return process

    def start_producer(self, rate: int) -> None:
        arguments = {
            "kafka.brokers": self.kafka.bootstrap,
            "topic": self.topic,
            "shape": "demo",
            "rate": str(rate),
            "records": "1000000",
            "sim.tables": "200",
        }
        flags = [f"--{name}={value}" for name, value in arguments.items()]
        producer = Child("producer", [*LAUNCHER, "producer", *flags])
        self._stack.callback(producer.stop)


@contextmanager
def planted(folder: Path, topic: str, partitions: int) -> Iterator[Plant]:
    """By the embedded broker: what a page shows does not depend on the kind of it."""
    with MockCluster({topic: partitions, f"{topic}.dlq": 1}) as kafka:
        found = Plant(kafka, folder, topic)
        try:
            yield found
        finally:
            found.close()
