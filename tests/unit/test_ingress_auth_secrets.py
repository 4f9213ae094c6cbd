"""The file of device/secret pairs, and the bound on dear comparisons."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from taosink.ingress.auth import secrets_file
from taosink.ingress.auth.secret_checks import SecretChecks
from taosink.ingress.auth.secrets_file import Secrets, SecretsFileError, hash_secret, parse_secrets

SALT = bytes(range(16))
SCRYPT = hash_secret("s3cret", SALT)
SHA = hash_secret("s3cret", SALT, "sha256")


@pytest.mark.parametrize("secret", ["s3cret", SCRYPT, SHA])
@pytest.mark.parametrize("toml", [False, True])
def test_a_secret_is_the_same_in_each_form(secret: str, toml: bool) -> None:
    """Plain or hashed, in lines or TOML."""
    text = f'"pump-1" = "{secret}"' if toml else f"# a comment\n\n pump-1 : {secret} \n"
    secrets = parse_secrets(text, toml=toml)
    assert len(secrets) == 1
    assert secrets.check("pump-1", "s3cret")
    assert not secrets.check("pump-1", "s3cre")
    assert not secrets.check("pump-1", "")
    assert not secrets.check("pump-2", "s3cret")
    assert not secrets.check("pump-1", secret + "x" * 2000)


def test_a_hash_is_no_secret() -> None:
    """Whoever has read the file cannot log in with what stands there."""
    assert not parse_secrets(f"d:{SHA}").check("d", SHA)
    assert not parse_secrets(f"d:{SHA}").check("d", SHA.rpartition("$")[2])


def test_secrets_may_hold_what_lines_are_made_of() -> None:
    """The first colon divides; TOML takes devices with one."""
    assert parse_secrets("d:a:b#c").check("d", "a:b#c")
    assert parse_secrets('"urn:dev:1" = "x"', toml=True).check("urn:dev:1", "x")


@pytest.mark.parametrize(
    ("text", "toml", "told"),
    [
        ("", False, "no device"),
        ("ok:fine\npump-1", False, "line 2 is not"),
        (":hunter22", False, "line 1 is not"),
        ("d:", False, "line 1 is not"),
        ("d:hunter22\nd:hunter23", False, "line 2 names device 'd' a second time"),
        (f"d:{SCRYPT[:-1]}", False, "cut or altered"),
        (f"d:{SHA}0", False, "cut or altered"),
        (f"d:{SCRYPT.replace('16384', '16385')}", False, "impossible"),
        (f"d:{SCRYPT.replace('16384', '16777216')}", False, "over 64 MiB"),
        ("d:" + "hunter22" * 200, False, "longer than"),
        ("d = hunter22", True, "no TOML"),
        ("d = 22", True, "not given as"),
        ("[devices]\nd = 'hunter22'", True, "not given as"),
    ],
)
def test_a_broken_file_is_told_without_its_secrets(text: str, toml: bool, told: str) -> None:
    """By its line, or the device."""
    with pytest.raises(SecretsFileError, match=told) as caught:
        parse_secrets(text, toml=toml)
    assert "hunter" not in str(caught.value)
    assert "$" not in str(caught.value)


@pytest.mark.parametrize("file", [f"a:{SCRYPT}", f"a:{SCRYPT}\nb:plain", "a:plain"])
def test_unknown_devices_cost_what_known_ones_do(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of the same hashes, whoever asks: the time tells nothing."""
    secrets = parse_secrets(file)
    digest = secrets_file._digest
    costs: list[object] = []

    def counted(secret: str, salt: bytes, cost: tuple[int, int, int] | None) -> bytes:
        costs.append(cost)
        return digest(secret, salt, cost)

    monkeypatch.setattr(secrets_file, "_digest", counted)
    spent = []
    for device in ("a", "b", "nobody"):
        costs.clear()
        secrets.check(device, "guess")
        spent.append(sum(cost is not None for cost in costs))
    assert len(set(spent)) == 1
    assert spent[0] == (1 if secrets.slow else 0)


def test_secrets_are_not_shown() -> None:
    """Neither in the repr of the file nor of one of its entries."""
    secrets = parse_secrets("pump-1:hunter22")
    assert repr(secrets).count("b'") == 0
    assert "pump" not in repr(secrets)


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Held:
    """Comparisons that wait until they are let go, to see how many run at once."""

    slow = True

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[str] = []

    def check(self, device: str, secret: str) -> bool:
        self.asked.append(device)
        assert self.go.wait(10)
        return secret == "right"


@pytest.fixture
def held() -> Iterator[Held]:
    found = Held()
    yield found
    found.go.set()


@pytest.fixture
def checks(held: Held) -> Iterator[SecretChecks]:
    made = SecretChecks(cast(Secrets, held), limit=3, threads=1)
    yield made
    held.go.set()
    made.close()


def test_no_flood_of_comparisons(held: Held, checks: SecretChecks) -> None:
    """Beyond the bound they are busy at once, the loop goes on, and there is room again afterwards."""

    async def run() -> None:
        waiting = [asyncio.create_task(checks.check(f"d{i}", "right")) for i in range(3)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(checks.check("d9", "right"), 5) == "busy"
        held.go.set()
        assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == ["right"] * 3
        assert await asyncio.wait_for(checks.check("d9", "wrong"), 5) == "wrong"

    asyncio.run(run())


def test_whoever_hangs_up_makes_no_room_while_his_comparison_runs(held: Held, checks: SecretChecks) -> None:
    """Connecting and leaving in a circle is a flood too."""

    async def run() -> None:
        waiting = [asyncio.create_task(checks.check(f"d{i}", "right")) for i in range(3)]
        await asyncio.to_thread(wait_for, lambda: held.asked)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert await asyncio.wait_for(checks.check("d9", "right"), 5) == "busy"
        waiting[1].cancel()  # it had not begun, and leaves its place
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        await asyncio.sleep(0)
        room = asyncio.create_task(checks.check("d9", "right"))
        held.go.set()
        assert await asyncio.wait_for(room, 5) == "right"
        assert await asyncio.wait_for(waiting[2], 5) == "right"

    asyncio.run(run())


def test_a_secret_that_was_right_is_not_computed_again(held: Held, checks: SecretChecks) -> None:
    """All devices come back at once after a restart of the network; a wrong one still costs the whole."""

    async def run() -> None:
        held.go.set()
        assert [await checks.check("d", s) for s in ("right", "right", "wrong", "right")] == [
            "right",
            "right",
            "wrong",
            "right",
        ]
        assert held.asked == ["d", "d"]
        checks.replace(cast(Secrets, held))
        assert await checks.check("d", "right") == "right"
        assert held.asked == ["d", "d", "d"]

    asyncio.run(run())


def test_the_real_comparison_does_not_hold_up_the_loop() -> None:
    """Scrypt runs beside it, and comes to the right results."""
    checks = SecretChecks(parse_secrets(f"d:{SCRYPT}"), limit=8)

    async def run() -> list[str]:
        tasks = [asyncio.create_task(checks.check("d", s)) for s in ("s3cret", "guess", "s3cret")]
        turns = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 3
        return [task.result() for task in tasks]

    try:
        assert asyncio.run(run()) == ["right", "wrong", "right"]
    finally:
        checks.close()
