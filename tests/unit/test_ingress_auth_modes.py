"""What each way of authentication decides, and what it takes to start."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from taosink.ingress.auth import AuthError, make_authenticator
from taosink.ingress.auth.make import ClosableAuthenticator
from taosink.ingress.auth.tokens import make_token, parse_keys
from taosink.ingress.ports import Verdict
from taosink.settings.ingress_auth import CHOICES, IngressAuthSettings
from taosink.settings.resolve import resolve
from taosink.settings.spec import Settings

KEYS = "k1: " + "a" * 32
TOKEN = make_token(parse_keys(KEYS), "pump-1", 1000)
CERTIFICATE = {"subject": ((("commonName", "pump-1"),),)}


async def never(*_: Any, **__: Any) -> Mapping[str, Any] | None:
    raise AssertionError("nobody is to be asked")


def made(ask: Any = never, **settings: Any) -> ClosableAuthenticator:
    return make_authenticator(IngressAuthSettings(**settings), ask=ask, clock=lambda: 0.0)


def verdict(
    auth: ClosableAuthenticator, device: str = "pump-1", token: str | None = None, certificate: Any = None
) -> Verdict:
    return asyncio.run(auth.check(device, token, certificate))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(KEYS)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs"
    path.write_text("pump-1:hunter22\n")
    return path


def test_nothing_starts_before_somebody_has_chosen() -> None:
    """One line, with every choice in it."""
    with pytest.raises(AuthError) as caught:
        made()
    assert "\n" not in str(caught.value)
    assert "ingress.auth is not given" in str(caught.value)
    assert all(f"{name} (" in str(caught.value) for name in CHOICES)


def test_open_mode_says_that_it_is_open() -> None:
    """As a warning, and only where it was asked for by name."""
    with capture_logs() as logs:
        auth = made(mode="open")
    assert [(e["event"], e["log_level"]) for e in logs] == [("ingress.open_mode", "warning")]
    assert verdict(auth, "anybody") == Verdict(True, "anybody")


def test_tokens_bind_their_device(keys: Path) -> None:
    """The codes are the protocol's."""
    auth = made(mode="token", token_keys=keys)
    assert verdict(auth, token=TOKEN) == Verdict(True, "pump-1")
    assert verdict(auth, "", TOKEN) == Verdict(True, "pump-1")
    assert verdict(auth, "pump-2", TOKEN).code == "wrong_device"
    assert verdict(auth, token=None).code == "unauthorized"
    assert verdict(auth, token="").code == "unauthorized"
    assert verdict(auth, token=TOKEN[:-1]).code == "unauthorized"
    late = make_authenticator(
        IngressAuthSettings(mode="token", token_keys=keys, token_leeway=5.0), ask=never, clock=lambda: 1005.0
    )
    assert verdict(late, token=TOKEN).code == "token_expired"


def test_secrets_bind_their_device(pairs: Path) -> None:
    """Over HTTP both come in one text; an unknown device gets the words of a wrong secret."""
    auth = made(mode="secrets", secrets=pairs)
    try:
        assert verdict(auth, token="hunter22") == Verdict(True, "pump-1")
        assert verdict(auth, "", "pump-1:hunter22") == Verdict(True, "pump-1")
        wrong = verdict(auth, token="hunter23")
        assert (wrong.ok, wrong.code) == (False, "unauthorized")
        assert verdict(auth, "pump-2", "hunter22") == wrong
        assert verdict(auth, "", "hunter22") == wrong
        assert verdict(auth, token=None).code == "unauthorized"
        assert "hunter" not in repr(auth) + repr(wrong)
    finally:
        auth.close()


def test_toml_is_known_by_its_name(tmp_path: Path) -> None:
    """Devices whose ids hold a colon need it."""
    path = tmp_path / "pairs.toml"
    path.write_text('"urn:dev:1" = "hunter22"')
    auth = made(mode="secrets", secrets=path)
    assert verdict(auth, "urn:dev:1", "hunter22").ok
    auth.close()


def test_certificates_bind_their_device() -> None:
    """What the device says must be the same, if it says anything; a token is not looked at."""
    auth = made(mode="mtls")
    assert verdict(auth, "", None, CERTIFICATE) == Verdict(True, "pump-1")
    assert verdict(auth, "pump-1", "whatever", CERTIFICATE) == Verdict(True, "pump-1")
    assert verdict(auth, "pump-2", None, CERTIFICATE).code == "wrong_device"
    assert verdict(auth, "pump-1", TOKEN, None).code == "unauthorized"
    prefixed = made(mode="mtls", certificate_prefix="pump-")
    assert verdict(prefixed, "1", None, CERTIFICATE) == Verdict(True, "1")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "ok"}, Verdict(True, "pump-1")),
        ({"status": "error", "errorCode": "token_expired"}, ("token_expired", "the application refused")),
        ({"status": "rejected", "errorMessage": "not paid"}, ("unauthorized", "not paid")),
        ({"status": "OK", "errorCode": "Bad Code\n"}, ("unauthorized", "the application refused")),
        ({"errorCode": 7, "errorMessage": {}}, ("unauthorized", "the application refused")),
        ({}, ("unauthorized", "the application refused")),
        (None, ("timeout", "nobody decided")),
    ],
)
def test_the_applications_word_decides(answer: Any, expected: Any) -> None:
    """`ok` and nothing else lets in; what else it says is passed on if it has the form of a code."""
    asked = []

    async def ask(device: str, token: str | None, seconds: float) -> Mapping[str, Any] | None:
        asked.append((device, token, seconds))
        return answer  # type: ignore[no-any-return]  # a worker may say anything

    found = verdict(made(ask, mode="delegated", delegated_timeout="7s"), token="t")
    assert asked == [("pump-1", "t", 7.0)]
    if isinstance(expected, Verdict):
        assert found == expected
    else:
        assert (found.ok, found.code) == (False, expected[0])
        assert found.text.startswith(expected[1])


def test_no_answer_and_no_question_refuse_the_device() -> None:
    """In time; nobody is asked about a device without a name."""

    async def silent(*_: Any, **__: Any) -> Mapping[str, Any] | None:
        await asyncio.sleep(60)
        return {"status": "ok"}

    async def broken(*_: Any, **__: Any) -> Mapping[str, Any] | None:
        raise RuntimeError("no broker")

    assert verdict(made(silent, mode="delegated", delegated_timeout="10ms")).code == "timeout"
    assert verdict(made(mode="delegated"), "").code == "unauthorized"
    with capture_logs() as logs:
        assert verdict(made(broken, mode="delegated")).code == "busy"
    assert [e["event"] for e in logs] == ["ingress.delegated_failed"]


def test_a_reload_takes_the_new_file(keys: Path, pairs: Path) -> None:
    """A key that is taken out ends its tokens; a secret that is changed ends the old one."""
    tokens, secrets = made(mode="token", token_keys=keys), made(mode="secrets", secrets=pairs)
    keys.write_text(KEYS.replace("k1", "k2"))
    pairs.write_text("pump-1:other\n")
    assert verdict(tokens, token=TOKEN).ok
    assert verdict(secrets, token="hunter22").ok
    tokens.reload()
    secrets.reload()
    assert verdict(tokens, token=TOKEN).code == "unauthorized"
    assert verdict(secrets, token="hunter22").code == "unauthorized"
    assert verdict(secrets, token="other").ok
    secrets.close()


@pytest.mark.parametrize("content", [b"hunter23", b"\xff\xfe", b"", None])
def test_a_broken_file_keeps_the_old_one(keys: Path, pairs: Path, content: bytes | None) -> None:
    """An ERROR names the file, without what stands in it."""
    tokens, secrets = made(mode="token", token_keys=keys), made(mode="secrets", secrets=pairs)
    for path in (keys, pairs):
        path.unlink() if content is None else path.write_bytes(content)
    with capture_logs() as logs:
        tokens.reload()
        secrets.reload()
    assert [(e["event"], e["log_level"]) for e in logs] == [("ingress.auth_reload_failed", "error")] * 2
    assert "hunter" not in str(logs)
    assert str(keys) in logs[0]["reason"]
    assert verdict(tokens, token=TOKEN).ok
    assert verdict(secrets, token="hunter22").ok
    secrets.close()


@pytest.mark.parametrize("mode", ["token", "secrets"])
def test_a_broken_file_stops_the_start_in_one_line(mode: str, tmp_path: Path) -> None:
    """With the setting, the file and the reason."""
    path = tmp_path / "broken"
    path.write_text("hunter22")
    with pytest.raises(
        AuthError, match=rf"^ingress\.(token-key|secrets)-file {path}: line 1 is not"
    ) as caught:
        made(mode=mode, token_keys=path, secrets=path)
    assert "hunter22" not in str(caught.value)
    with pytest.raises(AuthError, match="is needed"):
        made(mode=mode)


@pytest.mark.parametrize(
    ("mode", "needed"),
    [
        ("token", "ingress.token-key-file"),
        ("secrets", "ingress.secrets-file"),
        ("mtls", "ingress.tls-client-ca"),
    ],
)
def test_the_settings_know_what_each_way_needs(mode: str, needed: str) -> None:
    """Before anything is started."""
    from taosink.settings.ingress_auth import IngressTlsSettings
    from taosink.settings.layers import from_flags
    from taosink.settings.spec import specs_of

    class Both(Settings):
        auth: IngressAuthSettings = IngressAuthSettings()
        tls: IngressTlsSettings = IngressTlsSettings()

    def faults(**flags: str) -> list[str]:
        pairs = [(f"ingress.{name.replace('_', '-')}", value) for name, value in flags.items()]
        given = from_flags(pairs, specs_of(Both), ()).given
        _, _, problems = resolve(Both, {g.spec.name: g for g in given})
        return [p.setting for p in problems]

    assert faults(auth=mode) == [needed]
    assert faults(auth="open") == []
    assert faults(auth="nobody") == ["ingress.auth"]
    assert faults(tls_cert="c") == ["ingress.tls-key"]
    assert faults(tls_key="k") == ["ingress.tls-cert"]
    assert faults(tls_client_ca="a") == ["ingress.tls-cert"]
    assert faults(tls_client_ca="a", tls_cert="c", tls_key="k", auth="mtls") == []
