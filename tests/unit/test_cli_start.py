"""The command line as a process: help, exit codes, and secrets that nobody sees."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from taosink_cli.main import COMMANDS, main

SECRET = "hunter22secret"
ROOT = Path(__file__).parents[2]
HELD = """
import sys
from taosink.config import ConsumerSettings
from taosink_cli.main import Call
from taosink_cli.start import start
settings = start(ConsumerSettings, sys.argv[1:], Call("", "", True)).settings
print(settings.kafka.password.get_secret_value()[::-1], settings.queue.workers, flush=True)
sys.stdin.read()
"""


def environment(**given: str) -> dict[str, str]:
    """This process's own without settings of ours, so that no test depends on who runs it."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")} | given


def taosink(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "taosink_cli", *arguments],
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_goes_to_stdout_and_fits_the_width(command: str) -> None:
    """Grouped, and with every flag's default and variable."""
    done = taosink(*command.split(), "--help", COLUMNS="72")
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"Usage: taosink {command}" in done.stdout
    assert "TAOSINK_LOG_LEVEL" in done.stdout
    long = [line for line in done.stdout.splitlines() if len(line) > 72 and " " in line.strip()]
    assert not [line for line in long if not line.startswith("  --")]


def test_help_shows_no_secret_that_is_set() -> None:
    """Only defaults stand in it."""
    done = taosink("consumer", "--help", f"--kafka.password={SECRET}", TAOSINK_TAOS_PASSWORD=SECRET)
    assert done.returncode == 0
    assert SECRET not in done.stdout + done.stderr


def test_the_overview_imports_no_settings() -> None:
    """`taosink --help` answers at once: the models, the logs and the Kafka client stay unloaded."""
    code = (
        "import sys; from taosink_cli.main import main; main(['--help']);"
        "print([m for m in ('pydantic', 'structlog', 'confluent_kafka') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.rstrip().endswith("[]")
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a command is missing"),
        (["consumr"], "'consumer'"),
        (["embedded"], "'embedded broker'"),
        (["embedded", "databse"], "'embedded database'"),
    ],
)
def test_a_missing_or_unknown_command_is_a_usage_error(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest one, and the overview."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Usage:" in error


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    from taosink import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"taosink {__version__}\n"


def test_wrong_settings_exit_1_and_wrong_flags_exit_2() -> None:
    """Each with one line for every fault, and nothing on standard output."""
    wrong = taosink("consumer", "--linger.time=100", "--worker=x", TAOSINK_WORKR="3")
    assert wrong.returncode == 1
    assert len(wrong.stderr.splitlines()) == 4
    unknown = taosink("consumer", "--wrker=3", "--linger.time=100")
    assert unknown.returncode == 2
    assert len(unknown.stderr.splitlines()) == 3
    assert "--worker" in unknown.stderr
    assert wrong.stdout + unknown.stdout == ""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see what ps sees")
def test_ps_does_not_show_a_secret_that_was_given_as_a_flag() -> None:
    """The process takes its place anew without it, keeps its id, its other flags and the secret itself."""
    command = [sys.executable, "-c", HELD, "--worker", "7", "--kafka.password", SECRET, "-schema.create"]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == [SECRET[::-1], "7"]
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        inherited = Path(f"/proc/{process.pid}/environ").read_bytes()
        _, errors = process.communicate()
    assert b"--worker=7" in shown
    assert b"--schema.create=true" in shown
    assert SECRET.encode() not in shown + inherited
    (event,) = [json.loads(line) for line in errors.splitlines()]
    assert event["event"] == "settings.secret_on_command_line"
    assert (event["level"], event["flags"], event["visible_in_ps"]) == (
        "warning",
        ["--kafka.password"],
        False,
    )


def test_a_made_up_hand_over_is_refused() -> None:
    """The flag is the program's own."""
    done = taosink("consumer", "--secrets.fd=77")
    assert done.returncode == 2
    assert "not for people" in done.stderr


def test_a_consumer_that_reaches_nothing_prints_no_secret(tmp_path: Path) -> None:
    """Secrets from flags, variables, files and the address, at the most talkative level."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}-file\n", encoding="utf-8")
    secrets = [SECRET, "key-word-99", "pr0perty-99", "t0ken-99"]
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "taosink_cli", "consumer"),
            *("--kafka.brokers", "127.0.0.1:1", "--log.level", "debug", "--log.format", "json"),
            *("--kafka.sasl-enable", "--kafka.user", "me", "--kafka.password", f"{SECRET}-flag"),
            *("--taosuri", f"http://root:{SECRET}-uri@127.0.0.1:1/db", "--stop.deadline", "2s"),
            *("--revoke.deadline", "1s", "--kafka.properties", "ssl.keystore.password=pr0perty-99"),
        ],
        env=environment(
            TAOSINK_TAOS_PASSWORD_FILE=str(file),
            TAOSINK_KAFKA_TLS_KEY_PASSWORD="key-word-99",
            TAOSINK_TAOS_TOKEN="t0ken-99",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        rescue = threading.Timer(40, process.kill)
        rescue.start()
        errors = ""
        for line in process.stderr:
            errors += line
            if '"event": "kafka.' in line:  # it has tried to log in, with all that it knows
                process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        out = process.stdout.read()
        process.wait()
        rescue.cancel()
        rescue.join()
    assert "settings.secret_on_command_line" in errors
    assert '"visible_in_ps": false' in errors
    assert [s for s in secrets if s in out + errors] == []


@pytest.mark.parametrize("name", ["parse_flags", "load", "_tell"])
def test_a_defect_prints_no_secret(name: str) -> None:
    """Exit 5 with a trace, but without the local variables and the environment in it."""
    code = f"""
import sys
import taosink_cli.start
from taosink_cli.main import main

def broken(*secrets, **more):
    raise RuntimeError("a defect")

taosink_cli.start.{name} = broken
sys.exit(main(["consumer", "--kafka.password", "{SECRET}", "--log.format", "console"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(TAOSINK_TAOS_PASSWORD=SECRET),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert "process.defect" in done.stderr
    assert "RuntimeError: a defect" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_refused_consumer_prints_no_secret() -> None:
    """All that is wrong is listed, but not what is secret in it."""
    done = taosink(
        "consumer",
        *("--taosuri", f"root:{SECRET}", "--kafka.properties", f"acks={SECRET}", "--worker", "x"),
        *("--kafka.properties", f"ssl.key.password={SECRET}", "--kafka.password", SECRET),
        TAOSURI=f"root:{SECRET}",
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["cosumer"], "'cosumer' is no command; the nearest is 'consumer'\n"),
        (["dlq", "lst"], "'dlq lst' is no command; the nearest is 'dlq list'\n"),
        (["dlq"], "'dlq' is no command; the nearest is 'dlq "),
        (["xyzzy"], "'xyzzy' is no command\n"),
    ],
)
def test_a_command_that_does_not_exist_is_told_with_the_one_that_was_meant(
    written: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """None where nothing is like it; the commands follow in any case."""
    assert main(written) == 2
    assert f"taosink: {told}" in capsys.readouterr().err
