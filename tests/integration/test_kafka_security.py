"""TLS and logins on a real listener: who has both right gets through, who has not hears one line."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.chaos.stage import Stage, stage
from support.consumer_process import LAUNCHER
from support.ingress_process import ingress
from support.kafka_broker import KafkaMissingError, required
from support.secure_kafka import PASSWORD, SecureKafka

pytestmark = pytest.mark.kafka

WRONG = "not-carols-at-all"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    try:
        found = SecureKafka(tmp_path_factory.mktemp("secure") / "kafka")
    except KafkaMissingError as missing:
        if required():
            raise
        pytest.skip(f"needs a broker with a listener of its own: {missing}")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def scene(secure: SecureKafka, tmp_path: Path) -> Iterator[Stage]:
    with stage(secure, tmp_path, partitions=1) as found:
        yield found


def run(settings: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[int, list[str]]]:
    """These tools to their ends, side by side: exit codes, and the lines that they said about something wrong."""
    running = {tool: started(tool, given) for tool, given in settings.items()}
    found = {}
    with ExitStack() as stack:
        for process in running.values():
            stack.enter_context(process)
            stack.callback(process.kill)  # one that has ended is passed over
        for tool, process in running.items():
            said, _ = process.communicate(timeout=60)
            assert WRONG not in said
            lines = [line for line in said.splitlines() if '"error"' in line or line.startswith("failed")]
            found[tool] = (process.returncode, lines)
    return found


def started(tool: str, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    flags = [f"--{name}={value}" for name, value in settings.items()]
    command = [*LAUNCHER, tool, "--log.level=error", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def database(scene: Stage) -> dict[str, str]:
    return {"taosuri": scene.arguments()["taosuri"], "schema.create": "true", "topic": scene.topic}


def test_login_over_tls(secure: SecureKafka, scene: Stage) -> None:
    """Producer, consumer and doctor get through with the right authority and password."""
    login = secure.arguments()
    well: tuple[int, list[str]] = (0, [])
    numbers = {"topic": scene.topic, "records": "100", "sim.tables": "4"}
    assert run({"producer": login | numbers}) == {"producer": well}
    both = login | database(scene)
    assert run({"consumer": both | {"until-idle": "true"}, "doctor": both}) == {
        "consumer": well,
        "doctor": well,
    }
    assert scene.stored == 100


@pytest.mark.parametrize("wrong", ["authority", "password"])
def test_what_is_wrong_is_one_line(secure: SecureKafka, scene: Stage, wrong: str) -> None:
    """Each says which of the two it is, at once, and what to check; the password is not in it."""
    if wrong == "authority":
        login, words = secure.arguments(ca=secure.other_ca), ("SSL handshake failed", "kafka.tls")
    else:
        login, words = secure.arguments(password=WRONG), ("SASL authentication error", "kafka.sasl")
    own = database(scene)
    produced = {"topic": scene.topic, "records": "1"}
    found = run({"producer": login | produced, "consumer": login | own, "doctor": login | own})
    assert {tool: code for tool, (code, _) in found.items()} == {"producer": 1, "consumer": 1, "doctor": 6}
    for tool in ("producer", "consumer"):
        [line] = found[tool][1]
        assert all(word in line for word in words), line
    [line] = found["doctor"][1]
    assert (
        "certificate is not trusted" if wrong == "authority" else "check kafka.user, kafka.password"
    ) in line


def test_a_gateways_login_that_is_refused_in_mid_run(secure: SecureKafka, scene: Stage) -> None:
    """That is told as what it is, for somebody to mend; not as an outage that ends by itself."""
    try:
        with ingress({**secure.arguments(), "topic": scene.topic}) as process:
            process.event("ingress.listening")
            secure.set_password("another")
            refused = process.event("ingress.brokers_refuse")
            assert refused["level"] == "error"
            assert "kafka.sasl" in refused["todo"]
            secure.set_password(PASSWORD)
            process.event("ingress.brokers_back")
    finally:
        secure.set_password(PASSWORD)


def test_a_login_that_is_refused_in_mid_run(secure: SecureKafka, scene: Stage) -> None:
    """The password was changed on the broker: the consumer says so and stays up, keeps what it has, and goes on
    by itself when the password holds again; nothing is lost and nothing is written twice."""
    login = {name.replace(".", "__").replace("-", "_"): value for name, value in secure.arguments().items()}
    try:
        with scene.consumer(**login) as process:
            scene.send(10)
            process.until(lambda: scene.committed == 10)
            secure.set_password("another")
            refused = process.event("kafka.authentication_failed")
            assert refused["level"] == "error"
            assert "kafka.sasl" in refused["do"]
            scene.send(20)
            secure.set_password(PASSWORD)
            process.event("kafka.recovered")
            process.until(lambda: scene.committed == 30)
            assert process.stop() == 0
    finally:
        secure.set_password(PASSWORD)
    assert scene.all_stored
    assert scene.letters() == []
