"""Standard output and error that are closed, full, or read by somebody who has gone: no command falls over them."""

import shlex
import subprocess
import sys

import pytest

TAOSINK = f"{shlex.quote(sys.executable)} -m taosink_cli"


def shell(command: str) -> tuple[int, str]:
    """Exit code and standard error of a line of the shell."""
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", ["--help", "--version", "init --help"])
def test_help_into_nothing(arguments: str) -> None:
    """Done, and nothing to complain of."""
    assert shell(f"{TAOSINK} {arguments} >&-") == (0, "")
    assert shell(f"{TAOSINK} {arguments} >&- 2>&-") == (0, "")
    assert shell(f"set -o pipefail; {TAOSINK} {arguments} | true") == (0, "")


@pytest.mark.parametrize("arguments", ["--version", "init --help"])
def test_help_onto_a_full_disk(arguments: str) -> None:
    """One line, and an exit code that a script sees."""
    line = "taosink: standard output cannot be written: No space left on device\n"
    assert shell(f"{TAOSINK} {arguments} >/dev/full") == (1, line)


def test_an_answer_without_anywhere_to_go() -> None:
    """The exit code is the answer then; without standard output alone the one line of what failed is still said."""
    flags = "--timeout=1s --kafka.brokers=127.0.0.1:1 --taosuri=http://127.0.0.1:1/d --log.level=error"
    assert shell(f"{TAOSINK} doctor {flags} >&- 2>&-") == (6, "")
    code, said = shell(f"{TAOSINK} init {flags} >&-")
    assert code == 1
    assert [line.partition(":")[0] for line in said.splitlines()] == ["taosink init"] * 2


def test_a_wrong_call_without_standard_error() -> None:
    """The same."""
    assert shell(f"{TAOSINK} nonsense 2>&-") == (2, "")
    assert shell(f"{TAOSINK} init --nonsense 2>&-") == (2, "")
