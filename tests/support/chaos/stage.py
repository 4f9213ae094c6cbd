"""A topic, a database behind a proxy, and a consumer process between them: where single faults are tried."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from support.audit_rig import reading
from support.chaos.servers import proxy_to
from support.consumer_process import LAUNCHER, ConsumerProcess, consumer
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import committed, produce, read_all, unique
from support.proxy import Proxy

from taosink.demo.child import Child
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.ports import SourceMessage
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import TaosError

DATABASE = "faults"


def taosuri(url: str) -> str:
    """The database of these tests in the server at `url`."""
    return f"{url.replace('://', '://root:taosdata@')}/{DATABASE}"


class DatabaseProcess:
    """An embedded database at one address and with one file, which can be killed and started again."""

    def __init__(self, file: Path) -> None:
        [self.port] = free_ports(1)
        self.file = file
        self._command = [
            *(*LAUNCHER, "embedded", "database"),
            *("--listen", f"127.0.0.1:{self.port}", "--data", str(file)),
        ]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.child = Child("database", self._command)
        self.child.first_line()

    def send(self, number: signal.Signals) -> None:
        self.child.process.send_signal(number)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        with suppress(ProcessLookupError):
            self.child.process.send_signal(signal.SIGCONT)
        self.child.stop(how)


class Stage:
    """One topic's consumers and what they do. Names are of this stage alone."""

    def __init__(
        self, kafka: KafkaUnderTest, database: DatabaseProcess, proxy: Proxy, partitions: int
    ) -> None:
        self.kafka, self.database, self.proxy = kafka, database, proxy
        self.topic = unique("faults")
        self.partitions = partitions
        self.sent = self.gone = 0
        """Readings of each partition; and how many of them a test has dropped."""
        kafka.create_topic(self.topic, partitions)
        kafka.create_topic(f"{self.topic}.dlq", 1)

    def arguments(self, **more: str) -> dict[str, str]:
        settings = {
            "kafka.brokers": self.kafka.bootstrap,
            "topic": self.topic,
            "taosuri": taosuri(f"http://127.0.0.1:{self.proxy.port}"),
            "schema.create": "true",
            "taos.timeout": "5s",
            "stop.deadline": "3s",
            "revoke.deadline": "2s",
            "stats.interval": "100ms",
        }
        return settings | {name.replace("__", ".").replace("_", "-"): value for name, value in more.items()}

    @contextmanager
    def consumer(self, **more: str) -> Iterator[ConsumerProcess]:
        with consumer(self.arguments(**more)) as process:
            yield process

    def send(self, count: int, *cells: bool | int | float | str | None) -> None:
        """So many readings of one device for each partition, with cells of their own where none are given."""
        for partition in range(self.partitions):
            values = [
                reading(f"d{partition}", self.sent + n, *(cells or (float(n), n, f"text {n}")))
                for n in range(count)
            ]
            produce(self.kafka.bootstrap, self.topic, values, partition=partition)
        self.sent += count

    def query(self, sql: str) -> list[list[object]]:
        """Past the proxy; empty where there is no such table, or no database."""
        with closing(connect(parse(taosuri(self.database.url)))) as driver, suppress(TaosError):
            return [list(row) for row in driver.query(sql).rows]
        return []

    def execute(self, sql: str) -> None:
        with closing(connect(parse(taosuri(self.database.url)))) as driver:
            driver.execute(sql)

    @property
    def stored(self) -> int:
        return sum(int(str(row[0])) for row in self.query("SELECT COUNT(*) FROM stb"))

    @property
    def all_stored(self) -> bool:
        return self.stored == (self.sent - self.gone) * self.partitions

    @property
    def committed(self) -> int:
        return sum(committed(self.kafka.bootstrap, self.topic, self.topic).values())

    def letters(self) -> Sequence[DeadLetterInfo]:
        messages: Sequence[SourceMessage] = read_all(self.kafka.bootstrap, f"{self.topic}.dlq")  # type: ignore[assignment] # its headers are given as a list
        found = [DeadLetterInfo.decode(m.headers()) for m in messages]
        return [info for info in found if info is not None]


@contextmanager
def stage(kafka: KafkaUnderTest, work: Path, partitions: int = 2) -> Iterator[Stage]:
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = DatabaseProcess(work / "faults.db")
        stack.callback(database.stop)
        proxy = stack.enter_context(proxy_to(database.url))
        yield Stage(kafka, database, proxy, partitions)
