"""Apache Kafka from its jars: one KRaft node on loopback, a child process of the test run."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from support.kafka_broker import (
    START_SECONDS,
    AdminTopics,
    KafkaMissingError,
    Kind,
    free_ports,
    wait_until_ready,
)

POM = Path(__file__).parent / "kafka_jars" / "pom.xml"
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
"""Fixed: StorageTool takes a random id that begins with '-' for an option."""

SASL_USER, SASL_PASSWORD = "alice", "alice-pw"

JVM = [
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true",
]
JVM += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASLPLAIN:SASL_PLAINTEXT",
    "listener.name.saslplain.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.saslplain.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_{SASL_USER}="{SASL_PASSWORD}";'
    ),
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.backoff.ms": "300",
}


def version() -> str:
    found = ElementTree.parse(POM).find(".//{*}kafka.version")
    assert found is not None
    assert found.text
    return found.text


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "taosink" if base else Path(__file__).parents[2] / ".cache"


def fetch_jars() -> Path:
    """The directory with the jars, resolved by Maven once; safe when several runs start together."""
    lib = cache_root() / f"kafka-{version()}" / "lib"
    lib.parent.mkdir(parents=True, exist_ok=True)
    with (lib.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not lib.is_dir():
            copy_dependencies(lib)
    return lib


def copy_dependencies(lib: Path) -> None:
    """Offline first: what Maven's own repository already has needs no network."""
    partial = lib.with_name("partial")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
    tail = ""
    for offline in (["-o"], []):
        shutil.rmtree(partial, ignore_errors=True)
        run = subprocess.run(
            ["mvn", "-B", "-q", *offline, "-f", str(POM), *goal], capture_output=True, text=True, check=False
        )
        tail = (run.stdout + run.stderr)[-1500:]
        if run.returncode == 0 and partial.is_dir():
            partial.rename(lib)
            return
    raise KafkaMissingError(f"Maven could not fetch Kafka's jars: {tail}")


class JarKafka(AdminTopics):
    """`properties` are added to (or replace) the broker's, `listeners` are names and addresses of more of them;
    the SASL listener knows one user, by PLAIN."""

    kind: Kind = "jars"
    real = True
    controllable = True

    def __init__(
        self,
        work: Path,
        properties: dict[str, str] | None = None,
        *,
        listeners: Mapping[str, str] | None = None,
    ) -> None:
        for tool in ("java", "mvn"):
            if not shutil.which(tool):
                raise KafkaMissingError(f"{tool} is not on PATH")
        self._work = work
        self._java = ["java", *JVM, "-cp", f"{fetch_jars()}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        port, controller, sasl = free_ports(3)
        self.bootstrap = f"127.0.0.1:{port}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl}"
        self.description = f"Apache Kafka {version()} (Maven jars) at {self.bootstrap}"
        work.mkdir(parents=True)
        served = {"PLAINTEXT": self.bootstrap, "SASLPLAIN": self.sasl_bootstrap, **(listeners or {})}
        public = ",".join(f"{name}://{address}" for name, address in served.items())
        settings = PROPERTIES | {
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"{public},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": public,
            "log.dirs": str(work / "data"),
        }
        settings |= properties or {}
        self._config = work / "server.properties"
        self._config.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self._run_tool("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._config))
        self.start()

    def __repr__(self) -> str:
        return f"<JarKafka {self.bootstrap} pid={self._process.pid if self._process else None}>"

    def _run_tool(self, *arguments: str) -> None:
        run = subprocess.run(
            [*self._java, *arguments], capture_output=True, text=True, check=False, timeout=90
        )
        if run.returncode:
            raise KafkaMissingError(f"{arguments[0]} failed: {(run.stdout + run.stderr)[-1500:]}")

    def start(self) -> None:
        # The broker must not outlive a test run that is killed.
        tie = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        log = self._work / "broker.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*tie, *self._java, "kafka.Kafka", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._work,
            )
        if not wait_until_ready(self.bootstrap, time.monotonic() + START_SECONDS):
            self.kill()
            raise KafkaMissingError(f"no answer from Kafka in {START_SECONDS:g} s: {log.read_text()[-1500:]}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._work, ignore_errors=True)
