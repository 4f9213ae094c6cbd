"""The log of real processes: no secret in any line, neither their own nor what callers bring."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from support.ingress_process import SocketDevice
from support.kafka_broker import KafkaUnderTest
from support.log_rig import MARK, consumer_of, gateway_of, new_topic
from support.logged import Logged, logged

from taosink.config import MODELS
from taosink.embedded.database.server import running
from taosink.settings.spec import specs_of, variable_of

FORMS = {
    # How each long-running process, and the tools that connect, come to fail: closed doors and refused logins.
    "consumer": {"until": "taos.not_ready"},
    "producer": {"until": "producer.not_started"},
    "segments": {
        "until": "segments.started",
        "segments.receive-url": "http://127.0.0.1:1/",
        "segments.quiet": "9s",
    },
    "ingress": {
        "until": "ingress.not_started",
        "ingress.auth": "open",
        "ingress.tls-cert": "",
        "ingress.tls-key": "",
    },
    "doctor": {"until": ""},
    "audit": {"until": ""},
    "token": {"until": ""},
}

BAD_ADDRESSES = (
    ("consumer", "taosuri", "root:SECRET-x9@tcp(nowhere"),
    ("consumer", "taosuri", "http://root:SECRET-x9@host:no-number/db"),
    ("consumer", "kafka.brokers", "http://user:SECRET-x9@host:9092"),
    ("segments", "segments.receive-url", "http://user:SECRET-x9@host:no-number/"),
    ("ingress", "segments.link-url", "http://user:SECRET-x9@[::/"),
)


@pytest.fixture
def topic(kafka: KafkaUnderTest) -> str:
    return new_topic(kafka)


@pytest.fixture
def database() -> Iterator[str]:
    """Its address, as a consumer's."""
    with running() as url:
        yield url.replace("http://", "http://root:taosdata@") + "/plant"


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate, and its key under a password that nobody is told."""
    import trustme
    from cryptography.hazmat.primitives import serialization

    folder = tmp_path_factory.mktemp("keys")
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    loaded = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"another"),
        )
    )
    return cert, key


def secrets_of(command: str) -> dict[str, str]:
    """A value for every secret of a command, by its variable; each value names its setting."""
    found = {}
    for spec in specs_of(MODELS[command]):
        if spec.secret:
            found[spec.variable] = f"SECRET-{spec.name.replace('.', '-')}-x9"
        elif spec.kind == "map":
            found[spec.variable] = "ssl.key.password=SECRET-properties-x9"
    if variable_of("taosuri") in found:
        found[variable_of("taosuri")] = "http://root:SECRET-taosuri-x9@127.0.0.1:{port}/plant"
    return found


def test_no_secret_stands_in_any_output(
    kafka: KafkaUnderTest, tmp_path: Path, key_pair: tuple[Path, Path]
) -> None:
    """Every secret of every process that connects, at level debug: refused by the database, by a broker without
    logins, by a key of another password; and not started at all."""
    covered: set[str] = set()
    with running(users={"root": "the-right-one"}) as url, ExitStack() as stack:
        port = url.rpartition(":")[2]
        started = []
        for command, form in FORMS.items():
            secrets = {name: value.format(port=port) for name, value in secrets_of(command).items()}
            names = {spec.name for spec in specs_of(MODELS[command])}
            flags = {name: value for name, value in form.items() if name != "until" and value}
            if command == "ingress":
                flags |= {"ingress.tls-cert": str(key_pair[0]), "ingress.tls-key": str(key_pair[1])}
            if "kafka.brokers" in names:
                flags |= {
                    "kafka.brokers": kafka.bootstrap,
                    "kafka.sasl-enable": "true",
                    "kafka.user": "carol",
                }
            # A token stands in place of a login: both cannot be given.
            if "taos.token" in names and command != "doctor":
                secrets.pop(variable_of("taos.token"))
            elif "taos.token" in names:
                secrets.pop(variable_of("taos.password"))
            if "stop.deadline" in names:
                flags["stop.deadline"] = "3s"
            covered |= secrets.keys()
            process = stack.enter_context(logged(tmp_path, command, flags, environ=secrets))
            started.append((command, process, secrets))
        for command, process, _ in started:
            if until := FORMS[command]["until"]:
                process.until(partial(_said_or_ended, process, until), until)
            elif command != "doctor":
                process.ended()
        for command, process, secrets in started:
            process.stop()
            assert "SECRET" not in process.text, (command, process.text)
            assert process.text, command
            assert secrets
    every = {s.variable for model in MODELS.values() for s in specs_of(model) if s.secret or s.kind == "map"}
    assert covered == every


def _said_or_ended(process: Logged, event: str) -> bool:
    return bool(process.lines(event)) or process.process.poll() is not None


def test_a_bad_address_is_refused_without_its_password(tmp_path: Path) -> None:
    """It ends at once, and what it quotes is not the secret."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(logged(tmp_path, command, {name: bad}))
            for command, name, bad in BAD_ADDRESSES
        ]
        for process in started:
            assert process.ended() == 1
            assert "SECRET" not in process.text
            assert "nothing was started" in process.text


def test_tokens_that_callers_and_devices_bring_stand_in_no_line(
    kafka: KafkaUnderTest, topic: str, database: str, tmp_path: Path
) -> None:
    """Neither wrong ones nor those of the process itself, and no body of a request: status and admin listener, HTTP for
    devices, a device's `connect`."""
    keys = tmp_path / "keys"
    keys.write_text("k1: SECRET-signing-key-that-is-long-enough-x9\n")
    guarded = {
        "ingress.auth": "token",
        "ingress.token-key-file": str(keys),
        "ingress.http-listen": "127.0.0.1:0",
        "ingress.admin-listen": "127.0.0.1:0",
    }
    admin_token = {"TAOSINK_INGRESS_ADMIN_TOKEN": "SECRET-of-the-admin-x9"}
    with (
        logged(tmp_path, "ingress", {**gateway_of(kafka, topic), **guarded}, environ=admin_token) as ingress,
        logged(
            tmp_path,
            "consumer",
            consumer_of(kafka, topic, database),
            environ={"TAOSINK_STATUS_TOKEN": "SECRET-status-x9"},
        ) as process,
    ):
        url = process.line("status.listening")["url"]
        for token in ("SECRET-status-x9", "SECRET-of-a-caller-x9"):
            _get(f"{url}/status?token={token}", token)
        listening = ingress.line("ingress.listening")
        for token in ("SECRET-of-the-admin-x9", "SECRET-of-a-caller-x9"):
            _get(f"http://{listening['admin']}/devices", token)
            _get(
                f"http://{listening['http']}/records", token, f'{{"DeviceID": "d", "Cols": ["{MARK}"'.encode()
            )
        host, _, number = str(listening["tcp"]).rpartition(":")
        with SocketDevice((host, int(number))) as device:
            answer = device.ask("connect", deviceUid="d", uid=1, data={"token": "SECRET-of-a-device-x9"})
            assert answer["status"] != "ok"
        line = ingress.line("ingress.connect_refused")
        assert (line["device"], line["uid"]) == ("d", 1)
    assert "SECRET" not in ingress.text + process.text
    assert MARK not in ingress.text


def _get(url: str, token: str, body: bytes | None = None) -> None:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {token}"})
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
