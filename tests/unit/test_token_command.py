"""`taosink token` from its command line to its exit code."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taosink.ingress.auth.secrets_file import parse_secrets
from taosink.ingress.auth.tokens import make_token, parse_keys, read_token
from taosink.settings.token import TokenGroup, parse_expiry
from taosink_cli import token
from taosink_cli.main import Call


class Command:
    """Runs it; what was said stays in `out` and `err`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.out = self.err = ""

    def __call__(self, *flags: str, stdin: str = "") -> int:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = token.main(flags, Call("token", "", own_process=False))
        except SystemExit as end:
            code = int(str(end.code))
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def keys(run: Command, tmp_path: Path) -> Path:
    """A file that the command itself has made."""
    assert run("--new-key") == 0
    path = tmp_path / "keys"
    path.write_text(run.out)
    return path


def test_a_token_is_made_and_explained(run: Command, keys: Path) -> None:
    """By its own key file, for 30 days."""
    assert run("--device", "pump-1", "--ingress.token-key-file", str(keys)) == 0
    made = run.out.strip()
    claims = read_token(parse_keys(keys.read_text()), made)
    assert claims.device == "pump-1"
    left = datetime.fromtimestamp(claims.expires, UTC) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert run("--check", "-", "--ingress.token-key-file", str(keys), stdin=made + "\n") == 0
    assert run.out.splitlines()[0].split() == ["device:", "pump-1"]
    assert run.out.splitlines()[-1] == "good"
    assert run("--check", made[:-3], "--ingress.token-key-file", str(keys)) == 6
    assert "no good: the token's signature" in run.out


def test_an_expired_token_is_explained(run: Command, keys: Path) -> None:
    """Whose it was, and that it is over."""
    old = make_token(parse_keys(keys.read_text()), "a\x1b[2J".replace("\x1b", "e"), 86_400)
    assert run("--check", old, "--ingress.token-key-file", str(keys)) == 6
    assert "1970-01-02T00:00:00+00:00" in run.out
    assert run.out.splitlines()[-1] == "no good: it has expired"


def test_many_tokens_are_made_at_once(run: Command, keys: Path, tmp_path: Path) -> None:
    """A line for each device, or none at all."""
    devices = tmp_path / "devices"
    devices.write_text("# the fleet\npump-1\n\n pump-2 \n")
    assert run("--devices-file", str(devices), "--ingress.token-key-file", str(keys), "--expires", "2w") == 0
    found = dict(line.split("\t") for line in run.out.splitlines())
    assert list(found) == ["pump-1", "pump-2"]
    assert read_token(parse_keys(keys.read_text()), found["pump-2"]).device == "pump-2"
    devices.write_text("pump-1\n\x07\n")
    assert run("--devices-file", str(devices), "--ingress.token-key-file", str(keys)) == 1
    assert run.out == ""
    assert "is no device id" in run.err


@pytest.mark.parametrize("form", ["scrypt", "sha256"])
def test_a_secret_is_hashed_for_the_file(run: Command, form: str) -> None:
    """From standard input, never from the command line."""
    assert run("--hash", "--hash-form", form, "--device", "pump-1", stdin="hunter22\n") == 0
    assert run.out.startswith(f"pump-1:{form}$")
    assert "hunter22" not in run.out + run.err
    assert parse_secrets(run.out).check("pump-1", "hunter22")
    assert run("--hash", stdin="hunter22\n") == 0
    assert run.out.startswith("scrypt$")
    assert run("--hash", stdin="") == 1


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        ([], 1, "give one of"),
        (["--device", "a", "--new-key"], 1, "give one of"),
        (["--device", "a"], 1, "--ingress.token-key-file is needed"),
        (["--device", "a", "--expires", "soon"], 1, "is no expiry"),
        (["--device", "a", "--expires", "0s"], 1, "is in the past"),
        (["--ingress.token-key-file", "/nowhere/keys"], 1, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    run: Command, flags: list[str], code: int, told: str
) -> None:
    """With what to give instead."""
    assert run(*flags) == code
    assert told in run.err
    assert run.out == ""


def test_a_time_that_is_over_is_no_expiry(run: Command, keys: Path) -> None:
    """It would be found out by the devices."""
    flags = ["--device", "a", "--expires", "2001-01-01T00:00:00Z", "--ingress.token-key-file", str(keys)]
    assert run(*flags) == 1
    assert "in the past" in run.err


def test_a_broken_key_file_is_told_by_its_line(run: Command, tmp_path: Path) -> None:
    """And not what stands in it."""
    path = tmp_path / "keys"
    path.write_text("k1: hunter22")
    assert run("--device", "a", "--ingress.token-key-file", str(path)) == 1
    assert f"taosink token: ingress.token-key-file {path}: line 1: the secret is shorter" in run.err
    assert "hunter22" not in run.err


def test_expiries_are_written_as_people_do() -> None:
    """Days and weeks too."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    texts = {"30d": 30, "2w": 14, "12h": 0.5, "36h0m": 1.5, "2030-01-02T00:00:00Z": 1}
    for text, days in texts.items():
        assert TokenGroup(expires=parse_expiry(text)).ends(now) - now == timedelta(days=days)  # type: ignore[arg-type]
