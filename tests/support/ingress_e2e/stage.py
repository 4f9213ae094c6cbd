"""Everything that a run needs besides devices: broker, database, gateways, consumers, a worker; started, killed."""

import io
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from support.chaos.servers import Operator, embedded_database
from support.consumer_process import ConsumerProcess
from support.ingress_e2e.plan import Plan
from support.ingress_process import IngressProcess
from support.kafka_data import unique
from support.watched_process import PATIENCE

from taosink.demo.child import Child
from taosink.ingress.auth.tokens import make_token, parse_keys
from taosink_cli import audit
from taosink_cli.main import Call

DATABASE = "whole_way"
GATEWAYS, CONSUMERS = ("gw-a", "gw-b"), 2
LOUD = ("error", "critical")
WORKER = Path(__file__).parents[3] / "examples" / "application_worker.py"


class Worker(Child):
    """The example's. What it prints is read, so that it never waits for a reader."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__("worker", command)
        self.ready = threading.Event()
        printed = threading.Thread(target=self._read_printed, name="worker-printed", daemon=True)
        self._readers.append(printed)
        printed.start()

    def _read_printed(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == "ready":
                self.ready.set()


@dataclass(slots=True)
class Place:
    """A process that is started again under the same name; `up` while it can be used."""

    name: str
    make: Callable[[], Child]
    child: Child | None = None
    up: bool = False
    alarms: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """To be called in the main thread: the child ends with the thread that made it."""
        self.child = self.make()

    def wait(self) -> None:
        """Blocks until it works."""
        if isinstance(self.child, IngressProcess):
            self.child.address()
        elif isinstance(self.child, ConsumerProcess):
            self.child.event("consumer.started")
        elif isinstance(self.child, Worker):
            assert self.child.ready.wait(PATIENCE), self.child.last_words()
        self.up = True

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Blocks for its end; returns the exit code."""
        self.up = False
        child, self.child = self.child, None
        if child is None:
            return 0
        code = child.stop(how)
        self.alarms.update(name for name, event in child.events.items() if event.get("level") in LOUD)
        return code


@dataclass(slots=True)
class Stage:
    """One run's. Devices trust `authority`, and have these tokens."""

    operator: Operator
    topic: str
    taosuri: str
    authority: trustme.CA
    tokens: dict[str, str]
    gateways: Sequence[Place]
    consumers: Sequence[Place]
    worker: Place

    @property
    def bootstrap(self) -> str:
        return self.operator.kafka.bootstrap

    @property
    def places(self) -> list[Place]:
        return [*self.gateways, *self.consumers, self.worker]

    def backends(self) -> list[tuple[str, int]]:
        """Where gateways listen, of those that have said so: one that was just killed is among them."""
        found = []
        for place in self.gateways:
            if isinstance(place.child, IngressProcess) and "ingress.listening" in place.child.events:
                found.append(place.child.address())
        return found

    def admins(self) -> dict[str, str]:
        """The admin listeners of the gateways that are up, by gateway."""
        found = {}
        for place in self.gateways:
            child = place.child
            if place.up and isinstance(child, IngressProcess):
                host, number = child.address("admin")
                found[place.name] = f"http://{host}:{number}"
        return found

    def audit(self) -> tuple[int, str]:
        """The exit code of `taosink audit` of the whole topic, and what it says. Blocks."""
        flags = [
            *("--kafka.brokers", self.bootstrap),
            *("--topic", self.topic),
            *("--taosuri", self.taosuri),
            *("--to", "end", "--strict", "--json"),
        ]
        told = io.StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            code = audit.main(flags, Call("audit", "", own_process=False))
        return code, told.getvalue()


def tokens_of(names: Sequence[str], key_file: Path) -> dict[str, str]:
    """Good for an hour; writes the file of keys."""
    text = f"k1: {secrets.token_hex(32)}\n"
    key_file.write_text(text)
    key_file.chmod(0o600)
    keys, ends = parse_keys(text), int(time.time()) + 3600
    return {name: make_token(keys, name, ends) for name in names}


def certificate(authority: trustme.CA, work: Path) -> dict[str, str]:
    """The gateways' flags for TLS."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = work / "cert.pem", work / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    for n, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(str(cert), append=n > 0)
    return {"ingress.tls-cert": str(cert), "ingress.tls-key": str(key)}


@contextmanager
def stage(plan: Plan, operator: Operator, work: Path) -> Iterator[Stage]:
    """Everything at work; what was started is stopped on leaving. To be entered in the main thread."""
    kafka, topic = operator.kafka, unique("whole-way")
    kafka.create_topic(topic, plan.partitions)
    kafka.create_topic(f"{topic}.dlq", 1)
    requests, responses = f"{topic}.requests", f"{topic}.responses"
    kafka.create_topic(requests, 2)
    kafka.create_topic(responses, 2)
    authority = trustme.CA()
    shared = {"kafka.brokers": kafka.bootstrap, "topic": topic}
    gateway = {
        **shared,
        **certificate(authority, work),
        "ingress.auth": "token",
        "ingress.token-key-file": str(work / "keys"),
        "ingress.request-topic": requests,
        "ingress.response-topics": responses,
        "ingress.presence-topic": f"{topic}.presence",
        "ingress.commands-topic": f"{topic}.commands",
        "ingress.max-connections-per-address": "10000",
        "ingress.handshake-timeout": "20s",
        "ingress.stored-timeout": "8s",
        "stop.deadline": "10s",
    }
    with ExitStack() as stack:
        url = stack.enter_context(embedded_database())
        taosuri = f"{url.replace('://', '://root:taosdata@')}/{DATABASE}"
        consumer = {
            **shared,
            "taosuri": taosuri,
            "schema.create": "true",
            "kafka.group-protocol": "consumer",
            "ingress.replies": "true",
            "ingress.response-topic": responses,
            "stop.deadline": "10s",
            "revoke.deadline": "2s",
        }
        tokens = tokens_of([*plan.names, *plan.ghost_names], work / "keys")
        application = [
            *(sys.executable, str(WORKER), "--brokers", kafka.bootstrap),
            *("--requests", requests, "--responses", responses, "--group", f"{topic}-workers"),
        ]
        found = Stage(
            operator,
            topic,
            taosuri,
            authority,
            tokens,
            gateways=[
                Place(name, lambda name=name: IngressProcess({**gateway, "ingress.server-id": name}))  # type: ignore[misc]  # the lambda's default
                for name in GATEWAYS
            ],
            consumers=[Place(f"consumer-{n}", lambda: ConsumerProcess(consumer)) for n in range(CONSUMERS)],
            worker=Place("worker", lambda: Worker(application)),
        )
        stack.callback(_stop_all, found)
        for place in found.places:
            place.start()
        for place in found.places:
            place.wait()
        yield found


def _stop_all(stage: Stage) -> None:
    children = [place for place in stage.places if place.child is not None]
    for place in children:
        assert place.child is not None
        with suppress(ProcessLookupError):
            place.child.process.terminate()
    for place in children:
        place.stop()
