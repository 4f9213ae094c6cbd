"""Files that settings name: what is wrong with one is said in its own words, before anything is started."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from taosink.config import (
    ConsumerSettings,
    DemoSettings,
    EmbeddedBrokerSettings,
    EmbeddedDatabaseSettings,
    InitSettings,
    LoadSettings,
    ProducerSettings,
    load,
)
from taosink.settings.audit import AuditSettings
from taosink.settings.connection import CommandSettings
from taosink.settings.problems import Problem, SettingsError

WRITES = [
    (DemoSettings, "demo.verdict"),
    (LoadSettings, "bench.outcome"),
    (EmbeddedBrokerSettings, "embedded.listen-file"),
    (EmbeddedDatabaseSettings, "embedded.listen-file"),
    (EmbeddedDatabaseSettings, "embedded.data"),
]


def problems(model: type[CommandSettings], *flags: tuple[str, str]) -> Sequence[Problem]:
    try:
        load(model, flags, environ={})
    except SettingsError as error:
        return error.problems
    return []


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files: an authority, two certificates with their keys, the first one's key encrypted, and no PEM at all."""

    ca: Path
    cert: Path
    key: Path
    other_key: Path
    locked: Path
    junk: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    found = Certificates(*(folder / name for name in ("ca", "cert", "key", "other", "locked", "junk")))
    authority = trustme.CA()
    one, other = authority.issue_cert("one"), authority.issue_cert("other")
    authority.cert_pem.write_to_path(str(found.ca))
    one.cert_chain_pems[0].write_to_path(str(found.cert))
    one.private_key_pem.write_to_path(str(found.key))
    other.private_key_pem.write_to_path(str(found.other_key))
    key = serialization.load_pem_private_key(one.private_key_pem.bytes(), None)
    found.locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open"),
        )
    )
    found.junk.write_text("no PEM\n")
    return found


def pair(cert: Path, key: Path, password: str = "") -> list[tuple[str, str]]:
    names = ("kafka.tls", "kafka.tls-cert", "kafka.tls-key", "kafka.tls-key-password")
    return list(zip(names, ("true", str(cert), str(key), password), strict=True))


@pytest.mark.parametrize("model", [ConsumerSettings, ProducerSettings, InitSettings])
def test_what_is_no_authority_is_told(model: type[CommandSettings], files: Certificates) -> None:
    """Of every process that speaks to Kafka, by its setting and its file."""
    assert not problems(model, ("kafka.tls", "true"), ("kafka.tls-ca", str(files.ca)))
    (problem,) = problems(model, ("kafka.tls", "true"), ("kafka.tls-ca", str(files.junk)))
    assert problem.setting == "kafka.tls-ca"
    assert str(files.junk) in str(problem)
    assert "BEGIN CERTIFICATE" in problem.fault


def test_the_databases_authority(files: Certificates) -> None:
    """The same for its certificate."""
    uri = ("taosuri", "https://db:6041/d")
    assert not problems(ConsumerSettings, uri, ("taos.tls-ca", str(files.ca)))
    (problem,) = problems(ConsumerSettings, uri, ("taos.tls-ca", str(files.junk)))
    assert problem.setting == "taos.tls-ca"


def test_a_missing_file_and_a_folder_are_told_once(files: Certificates, tmp_path: Path) -> None:
    """By the system's own words."""
    for path, words in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        (problem,) = problems(ConsumerSettings, ("kafka.tls", "true"), ("kafka.tls-ca", str(path)))
        assert words in problem.fault
        assert len(problems(ConsumerSettings, *pair(files.cert, path))) == 1


def test_a_certificate_and_its_key(files: Certificates) -> None:
    """What is wrong with the two is said of the one that is to be mended, and without the password."""
    assert not problems(ConsumerSettings, *pair(files.cert, files.key))
    assert not problems(ConsumerSettings, *pair(files.cert, files.locked, "open"))
    for given, setting, words in [
        (pair(files.junk, files.key), "kafka.tls-cert", "holds no certificate"),
        (pair(files.cert, files.junk), "kafka.tls-key", "holds no private key"),
        (pair(files.cert, files.other_key), "kafka.tls-key", "key of another certificate"),
        (pair(files.cert, files.locked), "kafka.tls-key-password", "is encrypted"),
        (pair(files.cert, files.locked, "opensesame"), "kafka.tls-key", "password is wrong"),
    ]:
        (problem,) = problems(ConsumerSettings, *given)
        assert (problem.setting, words in problem.fault) == (setting, True), problem
        assert "opensesame" not in str(problem)


def test_librdkafkas_own_properties_are_left_to_it(files: Certificates) -> None:
    """A password of the key may stand there."""
    own = ("kafka.properties", "ssl.key.password=open")
    assert not problems(ConsumerSettings, *pair(files.cert, files.locked), own)


@pytest.mark.parametrize(("model", "name"), WRITES)
def test_a_file_that_cannot_be_written_is_told(
    model: type[CommandSettings], name: str, tmp_path: Path
) -> None:
    """Before the work of which it is to tell, with what to do."""
    assert not problems(model, (name, str(tmp_path / "new")))
    for path, words in ((tmp_path / "no" / "new", "there is no folder"), (tmp_path, "it is a folder")):
        (problem,) = problems(model, (name, str(path)))
        assert problem.setting == name
        assert words in problem.fault


def test_a_folder_of_somebody_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is mounted read-only."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        # The superuser may write everywhere, but to what is mounted read-only.
        folder = Path("/proc/self/task")
        monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    (problem,) = problems(DemoSettings, ("demo.verdict", str(folder / "verdict")))
    assert "may not write" in problem.fault
    (problem,) = problems(AuditSettings, ("audit.directory", str(folder)))
    assert "may not write" in problem.fault


def test_the_folder_of_an_audit(tmp_path: Path) -> None:
    """It must be there."""
    assert not problems(AuditSettings, ("audit.directory", str(tmp_path)))
    (problem,) = problems(AuditSettings, ("audit.directory", str(tmp_path / "none")))
    assert problem.fault.startswith("is no folder")
