"""What stops a process at its start is one line that says what to do, on real parts: no trace, no riddle."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported there
from support.consumer_process import consumer
from support.gateway_process import gateway
from support.kafka_broker import KafkaMissingError, free_ports, required
from support.kafka_jars_broker import PROPERTIES, JarKafka

from taosink.embedded.database import select_compile
from taosink.embedded.database.server import running

NOWHERE = "no-such-host.invalid:9092"
TOPIC = "elsewhere"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def astray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JarKafka]:
    """A broker that sends its clients on to a name that nobody knows; it holds TOPIC."""
    [number] = free_ports(1)
    protocols = PROPERTIES["listener.security.protocol.map"]
    own = {
        "listener.security.protocol.map": f"{protocols},OWN:PLAINTEXT",
        "inter.broker.listener.name": "OWN",
        "advertised.listeners": f"PLAINTEXT://{NOWHERE},SASLPLAIN://{NOWHERE},OWN://127.0.0.1:{number}",
    }
    try:
        found = JarKafka(
            tmp_path_factory.mktemp("astray") / "kafka", own, listeners={"OWN": f"127.0.0.1:{number}"}
        )
    except KafkaMissingError as missing:
        if required():
            raise
        pytest.skip(f"needs a broker of its own: {missing}")
    try:
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{number}", "log_level": 0})
        client.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(30)
        yield found
    finally:
        found.close()


class Told(NamedTuple):
    """A command's exit code, what it said, and its complaints, a line each."""

    code: int
    out: str
    lines: list[str]


def run(*arguments: str, **environment: str) -> Told:
    """In a process of its own: what another one's client still says in the background is none of its lines."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")}
    command = [sys.executable, "-m", "taosink_cli", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=mine | environment
    )
    return Told(done.returncode, done.stdout, done.stderr.splitlines())


def names_it(line: str) -> None:
    """Which name, whose setting it is, and what to do."""
    assert NOWHERE in line
    assert "advertised.listeners" in line
    assert "make the name known here" in line


@pytest.mark.kafka
def test_commands_that_end_name_the_advertised_listener(astray: JarKafka, url: str) -> None:
    """Exit code 1 and one line, soon: whether the topic is there or is to be made."""
    brokers = f"--kafka.brokers={astray.bootstrap}"
    quiet = "--log.level=error"
    for arguments in (
        ["producer", brokers, f"--topic={TOPIC}", "--records=5", quiet],
        ["producer", brokers, "--topic=not-there", "--records=5", quiet],
        ["send", brokers, f"--topic={TOPIC}", "--message=x", quiet],
        ["init", brokers, f"--topic={TOPIC}", f"--taosuri={url}/d", "--timeout=2s", quiet],
    ):
        code, _, lines = run(*arguments)
        assert code == 1, (arguments, lines)
        assert len(lines) == 1, (arguments, lines)
        names_it(lines[0])


@pytest.mark.kafka
def test_doctor_names_the_advertised_listener(astray: JarKafka, url: str) -> None:
    """And lets nothing fail behind it, which would send whoever reads it elsewhere."""
    flags = [f"--kafka.brokers={astray.bootstrap}", f"--topic={TOPIC}", f"--taosuri={url}/doctored"]
    code, out, _ = run("doctor", *flags, "--schema.create")
    assert code == 6
    [failed] = [line for line in out.splitlines() if line.startswith("failed")]
    assert f"{NOWHERE} (a name that is not known here)" in failed
    assert "set the brokers' advertised.listeners" in failed


@pytest.mark.kafka
def test_a_consumer_waits_and_names_the_advertised_listener(astray: JarKafka, url: str) -> None:
    """Once, though the broker goes on answering under its other name; the name may be known a moment later."""
    flags = {"kafka.brokers": astray.bootstrap, "topic": TOPIC, "taosuri": f"{url}/d", "stop.deadline": "6s"}
    with consumer({**flags, "status.listen": ""}) as process:
        event = process.event("kafka.brokers_down")
        names_it(f"{event['detail']}; {event['do']}")
        # Two of the probes that find the broker answering, one a second.
        later = time.monotonic() + 2.5
        process.until(lambda: time.monotonic() > later or "kafka.recovered" in process.events)
        assert "kafka.recovered" not in process.events


@pytest.mark.kafka
def test_a_gateway_waits_and_names_the_advertised_listener(astray: JarKafka) -> None:
    """As the reason of the outage."""
    flags = {"kafka.brokers": astray.bootstrap, "topic": TOPIC, "ingress.auth": "open", "stop.deadline": "5s"}
    with gateway(flags) as process:
        process.until(lambda: NOWHERE in process.events.get("ingress.brokers_down", {}).get("reason", ""))
        event = process.events["ingress.brokers_down"]
        names_it(f"{event['reason']}; {event['todo']}")


LISTENERS = ["ingress.tcp-listen", "ingress.http-listen", "ingress.admin-listen"]


@pytest.mark.parametrize("name", LISTENERS)
def test_an_address_of_the_gateway_that_is_taken(name: str) -> None:
    """By its setting; nothing was begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = [f"--{other}=127.0.0.1:0" for other in LISTENERS if other != name]
        flags = ["--kafka.brokers=127.0.0.1:1", "--ingress.auth=open", *free, f"--{name}={address}"]
        code, _, lines = run("ingress", *flags, "--log.level=error")
    assert code == 1
    [line] = lines
    assert f"{name}: cannot listen on {address} (it is in use): stop what uses it, or choose another" in line


@pytest.mark.parametrize("command", ["broker", "database"])
def test_a_folder_that_goes_away_under_a_listen_file(command: str, tmp_path: Path) -> None:
    """What was right when the settings were read is told all the same."""
    folder = tmp_path / "gone"
    folder.mkdir()
    (folder / "address.new").mkdir()  # where the address is written first
    flags = ["--listen=127.0.0.1:0"] if command == "database" else []
    code, _, lines = run("embedded", command, *flags, f"--listen-file={folder / 'address'}")
    assert code == 1
    [line] = lines
    assert "--listen-file" in line
    assert "cannot be written" in line


def test_no_temporary_directory() -> None:
    """The demo and the load tool need one: it is the system's word, in one line."""
    code = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/none'];"
        "from taosink_cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for command in (["demo", "--records=10"], ["bench", "ingress", "--connections=1"]):
        arguments = [sys.executable, "-c", code, *command]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "temporary directory" in line]
        assert done.returncode == 1, done
        assert len(said) == 1, done
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [
        ("2.6.0.34", 1, "is 2.6.0.34: taosink needs TDengine 3; upgrade the server"),
        ("3.0.7.1", 0, "older than 3.3"),
        ("3.3.6.0", 0, ""),
    ],
)
def test_an_old_database(version: str, code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work ends at once; what nobody has tried is worked with, and told."""
    monkeypatch.setattr(select_compile, "VERSION", version)
    with running() as url:
        if code:
            flags = ["--kafka.brokers=127.0.0.1:1", f"--taosuri={url}/d", "--log.level=error"]
            ended, _, lines = run("init", *flags)
            assert (ended, len(lines)) == (code, 1)
            assert words in lines[0]
        with consumer(
            {"kafka.brokers": "127.0.0.1:1", "taosuri": f"{url}/d", "status.listen": ""}
        ) as process:
            if code:
                assert process.ended() == code
                assert words in process.events["consumer.not_started"]["reason"]
                return
            process.event("taos.connected")
            process.event("kafka.brokers_down")
            assert ("taos.server_old" in process.events) == bool(words)
            assert words in process.events.get("taos.server_old", {"meaning": ""})["meaning"]


@pytest.mark.parametrize("command", ["consumer", "producer", "ingress", "doctor", "init"])
def test_a_setting_that_is_misspelt(command: str, tmp_path: Path) -> None:
    """In a file, a variable and a flag: named, with the nearest that there is."""
    file = tmp_path / "taosink.toml"
    file.write_text('topix = "t"\n[kafka]\nbrokerz = "k:1"\n')
    code, _, lines = run(command, f"--config={file}")
    assert code == 1
    assert f"topix ({file}): is no setting; the nearest is topic" in lines[1]
    assert "the nearest is kafka.brokers" in lines[2]
    code, _, lines = run(command, TAOSINK_KAFKA_BROKER="k:1")
    assert (code, len(lines)) == (1, 2), lines
    assert "the nearest is TAOSINK_KAFKA_BROKERS" in lines[1]
    code, _, lines = run(command, "--kafka.broker=k:1")
    assert (code, len(lines)) == (2, 2), lines
    assert "the nearest is --kafka.brokers" in lines[1]
