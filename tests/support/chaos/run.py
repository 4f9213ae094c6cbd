"""One run: produce, break, heal, drain, audit."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka import Consumer, KafkaException, TopicPartition
from support.chaos import servers
from support.chaos.fleet import TellingFleet
from support.chaos.members import Group
from support.chaos.report import ChaosReport
from support.chaos.schedule import BROKER, DATABASE, Action, Cast, Fault, actions, by_kind, schedule
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import unique
from support.proxy import Proxy

from taosbatch.encoding import Layout
from taosink.audit.account import Account
from taosink.audit.bounds import Bound
from taosink.audit.fleet_audit import FleetVerdict, audit_fleet
from taosink.audit.topic_audit import Question, audit_topic
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.publish import Publisher
from taosink.kafka.topic_reader import read_topic
from taosink.records.record import encode_msgpack
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.production import Production
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.embedded_stats import embedded_stats

DATABASE_NAME = "chaos"
TICK = 0.02
DEFECTS = frozenset(
    (
        *("worker.defect", "kafka.source_failed", "taos.rows_unaccounted"),
        *("kafka.publish_poll_failed", "kafka.delivery_callback_failed", "kafka.partition_stopped"),
        *("kafka.records_lost", "not_json"),
    )
)


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """What a run is. The seed decides the faults and every reading. Times in seconds, `rate` in records/s."""

    seed: int
    seconds: float
    protocol: str = "classic"
    cast: Cast = field(default_factory=Cast)
    rate: int = 1500
    tables: int = 40
    partitions: int = 6
    producers: int = 2
    poison_share: float = 0.005
    session_timeout: float = 3.0
    stop_deadline: float = 8.0
    patience: float = 90.0
    telling: bool = True

    def faults(self) -> list[Fault]:
        return schedule(self.seed, self.seconds, self.cast)

    def fleets(self) -> list[Fleet]:
        make = TellingFleet if self.telling else Fleet
        return [make(self._fleet(f"f{i}d")) for i in range(self.producers)]

    def _fleet(self, prefix: str) -> FleetSettings:
        records = int(self.rate * self.seconds / self.producers)
        return FleetSettings(
            table_prefix=prefix,
            tables=self.tables,
            records_per_table=-(-records // self.tables),
            records=records,
            seed=self.seed,
            shape="demo",
            poison=int(records * self.poison_share),
        )

    def arguments(self, brokers: str, topic: str, taosuri: str) -> dict[str, str]:
        found = {
            "kafka.brokers": brokers,
            "topic": topic,
            "taosuri": taosuri,
            "schema.create": "true",
            "kafka.group-protocol": self.protocol,
            "stop.deadline": f"{self.stop_deadline}s",
            "revoke.deadline": "2s",
            "worker": "2",
            # Above every stall of the way: a statement that was given up may still arrive, after a later one.
            "taos.timeout": f"{self.cast.pace.trouble[1] + 10}s",
        }
        if self.protocol == "classic":
            found["kafka.session-timeout"] = f"{self.session_timeout}s"
            found["kafka.heartbeat-interval"] = f"{self.session_timeout / 6}s"
        return found


def run_chaos(plan: ChaosPlan, operator: servers.Operator, logs: Path) -> ChaosReport:
    """The storm of the plan's seed, and its account. Blocks for about the plan's seconds and a half minute."""
    with chaos(plan, operator, logs) as run:
        run.storm()
        run.settle()
        return run.report()


@contextmanager
def chaos(plan: ChaosPlan, operator: servers.Operator, logs: Path) -> "Iterator[Run]":
    """A stage with nobody on it. The broker must be real; where it is broken, controllable and nobody else's."""
    logs.mkdir(parents=True, exist_ok=True)
    topic, kafka = unique("chaos"), operator.kafka
    kafka.create_topic(topic, plan.partitions)
    kafka.create_topic(f"{topic}.dlq", 1)
    with ExitStack() as stack:
        url = stack.enter_context(servers.embedded_database())
        proxy = stack.enter_context(servers.proxy_to(url))
        arguments = plan.arguments(kafka.bootstrap, topic, taosuri(f"http://127.0.0.1:{proxy.port}"))
        group = stack.enter_context(Group(arguments, plan.cast.names, logs, plan.stop_deadline + 3))
        yield Run(plan, kafka, topic, url, proxy, operator, group)


def taosuri(url: str) -> str:
    """The address of the run's database in the server at `url`."""
    where = urlsplit(url)
    return f"http://root:taosdata@{where.hostname}:{where.port}/{DATABASE_NAME}"


@dataclass(slots=True)
class Run:
    """What a test does to a group at work, step by step."""

    plan: ChaosPlan
    kafka: KafkaUnderTest
    topic: str
    url: str
    proxy: Proxy
    operator: servers.Operator
    group: Group
    trouble: list[str] = field(default_factory=list)
    injected: list[Fault] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def storm(self) -> None:
        """Faults by the clock, while the producers produce at their rate."""
        self.begin()
        with self.producing():
            started = time.monotonic()
            for action in actions(self.plan.faults()):
                self._tend_until(started + action.at)
                self._act(action)
            self._tend_until(started + self.plan.seconds)
            self.heal()

    def roll(self, rounds: int) -> None:
        """Every member is stopped by SIGTERM and started again, one after another, while producers produce."""
        self.begin()
        with self.producing():
            for member in [m for m in self.group.members.values() if m.wanted] * rounds:
                before = member.starts
                self._act(Action(0.0, False, Fault(0.0, "restart", member.name, 0.0)))
                self.tend_until(lambda: member.starts > before and member.working)  # noqa: B023 - called here

    def kill(self, times: int) -> None:
        """Members killed by SIGKILL in turn and started again, evenly over the time that producing takes."""
        self.begin()
        with self.producing():
            started = time.monotonic()
            members = [m for m in self.group.members.values() if m.wanted]
            for n in range(times):
                self._tend_until(started + self.plan.seconds * (n + 1) / (times + 1))
                member = members[n % len(members)]
                self.tend_until(lambda: member.working)  # noqa: B023 - called here
                self._act(Action(0.0, False, Fault(0.0, "kill", member.name, 0.0)))
                member.wanted = True

    def begin(self) -> None:
        """Returns when every member is at work, so that there is something to break."""
        self.group.heal()
        members = [m for m in self.group.members.values() if m.wanted]
        self.tend_until(lambda: all(m.working for m in members))

    def _act(self, action: Action) -> None:
        _, ends, fault = action
        if fault.target == BROKER:
            self.operator.end() if ends else self.operator.begin(fault.kind)
            hit = True
        elif fault.target == DATABASE:
            self.proxy.restore() if ends else servers.begin(self.proxy, fault.kind)
            hit = True
        elif ends:
            self.group.end(fault.kind, fault.target)
            hit = False
        else:
            hit = self.group.begin(fault.kind, fault.target)
        if hit and not ends:
            self.injected.append(fault)

    def heal(self) -> None:
        self.proxy.restore()
        self.group.heal()
        self.operator.wait()

    def _tend_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self.group.tend()
            time.sleep(min(TICK, left))

    def tend_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.plan.patience
        while not done():
            assert time.monotonic() < deadline, f"not within {self.plan.patience} s: {self.group}"
            self.group.tend()
            time.sleep(TICK)

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Every record is acknowledged when this ends."""
        stop = threading.Event()
        productions = [self._production(fleet, stop) for fleet in self.plan.fleets()]
        threads = [threading.Thread(target=p.run, name="producer") for p, _ in productions]
        for thread in threads:
            thread.start()
        try:
            yield
            for thread in threads:
                while thread.is_alive():
                    self.group.tend()
                    thread.join(TICK)
        finally:
            stop.set()
            left = sum(publisher.close(30) for _, publisher in productions)
        for fleet, (production, publisher) in zip(self.plan.fleets(), productions, strict=True):
            assert production.counts.produced == publisher.delivered == fleet.total, (production, publisher)
        assert not left

    def _production(self, fleet: Fleet, stop: threading.Event) -> tuple[Production, Publisher]:
        publisher = Publisher({"bootstrap.servers": self.kafka.bootstrap}, name="chaos-publisher")
        production = Production(
            fleet,
            publisher,
            topic=self.topic,
            partitions=self.plan.partitions,
            encode=encode_msgpack,
            stop=stop,
            rate=self.plan.rate / self.plan.producers,
        )
        return production, publisher

    def settle(self) -> None:
        """Until the group has committed the end of every partition, or nothing has moved for `patience`; then
        every member is stopped, which must find nothing left to do."""
        with closing(_asking(self.kafka, self.topic)) as consumer:
            moved, last = time.monotonic(), -1
            while (behind := _lag(consumer, self.topic, self.plan.partitions)) != 0:
                self.group.tend()
                if behind is not None and behind != last:
                    moved, last = time.monotonic(), behind
                if time.monotonic() - moved > self.plan.patience:
                    self.trouble.append(f"nothing moved for {self.plan.patience} s; lag {last}")
                    break
                time.sleep(TICK * 5)
        codes = self.group.stop(self.plan.stop_deadline + 5)
        if any(codes):
            self.trouble.append(f"the last stop found work left: exit codes {codes}")

    def report(self) -> ChaosReport:
        """The account of every record, from the seed and from the topic; both have to agree with the database."""
        fleets, properties = self.plan.fleets(), {"bootstrap.servers": self.kafka.bootstrap}
        letters = _letters(properties, f"{self.topic}.dlq")
        with closing(connect(parse(taosuri(self.url)))) as driver:
            verdicts = [
                audit_fleet(fleet, driver, DATABASE_NAME, dead_lettered=0, precision="ms") for fleet in fleets
            ]
            question = Question(
                self.topic,
                f"{self.topic}.dlq",
                Layout(DATABASE_NAME, "stb"),
                last=Bound("end"),
                group=self.topic,
            )
            account = audit_topic(question, properties, driver)
        merged = sum(v.merged for v in verdicts)
        poison = sum(fleet.settings.poison for fleet in fleets)
        missing = sum(d.missing for v in verdicts for d in v.devices)
        alarms = self._alarms()
        return ChaosReport(
            seed=self.plan.seed,
            protocol=self.plan.protocol,
            faults=by_kind(self.injected),
            records=sum(fleet.total for fleet in fleets),
            poison=poison,
            dead_lettered=letters,
            stored=sum(v.stored for v in verdicts),
            lost=max(missing + max(0, poison - letters), account.missing),
            different=max(sum(d.different for v in verdicts for d in v.devices), account.different),
            unexpected=max(sum(d.unexpected for v in verdicts for d in v.devices), account.unexpected),
            written_again=max(0, int(embedded_stats(self.url)["rows_overwritten"]) - merged),
            exits=dict(self.group.exits),
            seconds=round(time.monotonic() - self.begun, 1),
            alarms=dict(alarms),
            wrong=[*self.group.wrong, *self.trouble, *(name for name in alarms if name in DEFECTS)],
            examples=_examples(verdicts, account),
        )

    def _alarms(self) -> Counter[str]:
        """Log events above WARN, by name."""
        loud = ("error", "critical")
        found = Counter(str(e["event"]) for e in self.group.said() if e.get("level") in loud or "line" in e)
        return Counter(dict(sorted(found.items())))


def _asking(kafka: KafkaUnderTest, topic: str) -> Consumer:
    return Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0})


def _lag(consumer: Consumer, topic: str, partitions: int) -> int | None:
    """Records that the group has not committed; None while the broker does not answer."""
    try:
        answer = consumer.committed([TopicPartition(topic, p) for p in range(partitions)], timeout=2)
        ends = [consumer.get_watermark_offsets(tp, timeout=2, cached=False)[1] for tp in answer]
    except KafkaException:
        return None
    return sum(end - max(0, tp.offset) for end, tp in zip(ends, answer, strict=True))


def _letters(properties: dict[str, str], topic: str) -> int:
    """Distinct records that were dead-lettered."""
    infos = [DeadLetterInfo.decode(letter.headers()) for letter in read_topic(properties, topic)]
    return len({(info.topic, info.partition, info.offset) for info in infos if info is not None})


def _examples(verdicts: Sequence[FleetVerdict], account: Account) -> list[str]:
    return [
        *(text for v in verdicts for d in v.devices for text in d.examples),
        *map(str, account.named[:20]),
        *account.remarks,
    ][:40]
