"""The embedded broker and database as commands."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")}
    with subprocess.Popen(
        [sys.executable, "-m", "taosink_cli", "embedded", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        (["broker", "--topic", "a:3", "--topic", "b:1"], "127.0.0.1:"),
        (["database", "--listen", "127.0.0.1:0"], "http://127.0.0.1:"),
    ],
)
def test_the_address_is_the_first_line_and_a_stop_is_clean(
    command: list[str], begins: str, tmp_path: Path
) -> None:
    """Also in the file that --listen-file names, whole."""
    file = tmp_path / "address"
    with running(*command, "--listen-file", str(file)) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith(begins)
        assert file.read_text(encoding="utf-8").strip() == address
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors


@pytest.mark.parametrize("command", [["broker"], ["database", "--listen", "127.0.0.1:0"]])
def test_a_closed_standard_output_is_no_defect(command: list[str], tmp_path: Path) -> None:
    """It serves, and the address is in the file and in the log."""
    file = tmp_path / "address"
    program = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
    arguments = ["taosink_cli", "embedded", *command, "--listen-file", str(file)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            told = json.loads(process.stderr.readline())
            assert told["event"] == "embedded.listening"
            assert file.read_text(encoding="utf-8").strip() == told["address"]
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


def test_topics_are_made_with_their_partitions() -> None:
    """A name alone gets ten."""
    from confluent_kafka.admin import AdminClient

    with running("broker", "--topic", "a:3", "--topic", "b") as process:
        assert process.stdout is not None
        admin = AdminClient({"bootstrap.servers": process.stdout.readline().strip(), "log_level": 0})
        topics = admin.list_topics(timeout=10).topics
        assert {name: len(topics[name].partitions) for name in ("a", "b")} == {"a": 3, "b": 10}
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_an_address_in_use_is_one_clear_line() -> None:
    """Exit 1, and no trace."""
    with running("database", "--listen", "127.0.0.1:0") as first:
        assert first.stdout is not None
        address = first.stdout.readline().strip().removeprefix("http://")
        with running("database", "--listen", address) as second:
            _, errors = second.communicate(timeout=30)
            assert second.returncode == 1
            assert len(errors.splitlines()) == 1
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)


@pytest.mark.parametrize(
    "arguments",
    [["broker", "--topic", "a:0"], ["broker", "--topic", "a b:1"], ["database", "--listen", "6041"]],
)
def test_what_cannot_be_served_is_refused(arguments: list[str]) -> None:
    """As a wrong setting."""
    with running(*arguments) as process:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "embedded." in errors
