"""TLS for devices: what starts, what is refused, and certificates that are renewed while connections last."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from taosink.ingress.auth.certificate import CertificateNameError, device_of
from taosink.ingress.auth.certificate_dates import expiry
from taosink.ingress.auth.tls import ReloadableTls, TlsError, TlsFiles, make_tls
from taosink.settings.ingress_auth import IngressTlsSettings

UTC = datetime.UTC
Peer = dict[str, Any] | None


class Pki:
    """Files of a server and its devices, written anew at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_ca, self.device_ca = trustme.CA(), trustme.CA()
        self.serve(self.server_ca)
        self.trust(self.device_ca)
        self.files = TlsFiles(folder / "cert.pem", folder / "key.pem", client_ca=folder / "devices.pem")
        self.one_way = TlsFiles(folder / "cert.pem", folder / "key.pem")

    def serve(self, ca: trustme.CA, not_after: datetime.datetime | None = None) -> None:
        cert = ca.issue_cert("127.0.0.1", "gateway", not_after=not_after)
        (self.folder / "cert.pem").write_bytes(b"".join(b.bytes() for b in cert.cert_chain_pems))
        (self.folder / "key.pem").write_bytes(cert.private_key_pem.bytes())

    def trust(self, ca: trustme.CA) -> None:
        ca.cert_pem.write_to_path(str(self.folder / "devices.pem"))

    def device(self, ca: trustme.CA | None = None, **more: Any) -> ssl.SSLContext:
        """A client that trusts the server, with a certificate if an authority for it is given."""
        context = ssl.create_default_context()
        self.server_ca.configure_trust(context)
        if ca is not None:
            ca.issue_cert("pump-1", common_name="pump-1", **more).configure_cert(context)
        return context


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@asynccontextmanager
async def listening(tls: ReloadableTls) -> AsyncIterator[tuple[int, list[Peer]]]:
    """A server that echoes lines; yields where it listens, and the certificates that it saw."""
    seen: list[Peer] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert"))
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


@asynccontextmanager
async def connected(
    number: int, context: ssl.SSLContext, name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


async def say(number: int, context: ssl.SSLContext, name: str | None = None) -> bytes:
    """What comes back: in TLS 1.3 a client hears that it was refused when it reads."""
    async with connected(number, context, name) as (reader, writer):
        writer.write(b"hello\n")
        return await asyncio.wait_for(reader.readline(), 5)


async def refused(number: int, context: ssl.SSLContext) -> None:
    try:
        assert await say(number, context) == b""
    except (ssl.SSLError, ConnectionError):
        return


def test_a_device_with_a_certificate_is_let_in_and_named(pki: Pki) -> None:
    """By address alone, or by a server's name."""

    async def run() -> None:
        async with listening(ReloadableTls(pki.files)) as (number, seen):
            assert await say(number, pki.device(pki.device_ca)) == b"hello\n"
            assert await say(number, pki.device(pki.device_ca), "gateway") == b"hello\n"
        assert [device_of(peer, "cn") for peer in seen] == ["pump-1", "pump-1"]
        assert device_of(seen[0], "dns") == "pump-1"

    asyncio.run(run())


def test_other_devices_are_refused_and_the_next_is_served(pki: Pki) -> None:
    """Without a certificate, by another authority, or with one that has ended."""
    past = datetime.datetime(2020, 1, 1, tzinfo=UTC)

    async def run() -> None:
        async with listening(ReloadableTls(pki.files)) as (number, seen):
            for context in (
                pki.device(),
                pki.device(trustme.CA()),
                pki.device(pki.device_ca, not_after=past, not_before=past - datetime.timedelta(days=1)),
            ):
                await refused(number, context)
            assert not seen
            assert await say(number, pki.device(pki.device_ca)) == b"hello\n"

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "served"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
def test_tls_begins_with_1_2(pki: Pki, version: ssl.TLSVersion, served: bool) -> None:
    """An older client gets no connection."""
    context = pki.device()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    async def run() -> None:
        tls = ReloadableTls(pki.one_way)
        tls.context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL's own level would refuse the old version
        async with listening(tls) as (number, _):
            if served:
                assert await say(number, context) == b"hello\n"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await say(number, context)

    asyncio.run(run())


def test_a_certificate_is_renewed_while_connections_last(pki: Pki) -> None:
    """New connections get the new one; the old connection goes on; with and without a server's name."""
    old, new = pki.device(), ssl.create_default_context()
    renewed = trustme.CA()
    renewed.configure_trust(new)

    async def run() -> None:
        tls = ReloadableTls(pki.one_way)
        async with listening(tls) as (number, _), connected(number, old) as (reader, writer):
            pki.serve(renewed)
            assert await say(number, old) == b"hello\n"  # not before it is told
            tls.reload()
            for name in (None, "gateway"):
                assert await say(number, new, name) == b"hello\n"
                with pytest.raises(ssl.SSLCertVerificationError):
                    await say(number, old, name)
            writer.write(b"still here\n")
            assert await asyncio.wait_for(reader.readline(), 5) == b"still here\n"

    asyncio.run(run())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["gateway", None])
def test_authorities_of_devices_are_replaced_and_sessions_do_not_survive_them(
    pki: Pki, version: ssl.TLSVersion, name: str | None
) -> None:
    """A device whose authority was taken out does not come back by a session that it kept."""
    old, other = pki.device(pki.device_ca), trustme.CA()
    old.minimum_version = old.maximum_version = version
    old.check_hostname = name is not None

    async def run() -> None:
        tls = ReloadableTls(pki.files)
        async with listening(tls) as (number, _):
            session = await asyncio.to_thread(hold_session, number, old, name)
            pki.trust(other)
            tls.reload()
            assert await say(number, pki.device(other)) == b"hello\n"
            await refused(number, pki.device(pki.device_ca))
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(hold_session, number, old, name, session)

    asyncio.run(run())


def test_a_session_of_before_costs_one_attempt_after_a_reload(pki: Pki) -> None:
    """The device's authority is still there: it is refused once, and then checked and let in."""
    device = pki.device(pki.device_ca)
    device.maximum_version = ssl.TLSVersion.TLSv1_2

    async def run() -> None:
        tls = ReloadableTls(pki.files)
        async with listening(tls) as (number, seen):
            session = await asyncio.to_thread(hold_session, number, device, "gateway")
            assert await asyncio.to_thread(hold_session, number, device, "gateway", session)
            tls.reload()
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(hold_session, number, device, "gateway", session)
            assert await asyncio.to_thread(hold_session, number, device, "gateway", session)
        assert [device_of(peer, "cn") for peer in seen] == ["pump-1"] * 3

    asyncio.run(run())


def hold_session(
    number: int, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None
) -> ssl.SSLSession | None:
    import socket

    with (
        socket.create_connection(("127.0.0.1", number), 5) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as secured,
    ):
        secured.sendall(b"hello\n")
        if secured.recv(10) != b"hello\n":  # TLS 1.3: a client hears of it when it reads
            raise ConnectionError
        session = secured.session
        secured.unwrap()  # a session whose connection is cut is forgotten by the server
        return session


def test_a_broken_file_keeps_the_old_certificate(pki: Pki) -> None:
    """An ERROR tells it, and a later reload mends it."""

    async def run() -> None:
        tls = ReloadableTls(pki.one_way)
        async with listening(tls) as (number, _):
            (pki.folder / "cert.pem").write_text("half a certi")
            with capture_logs() as logs:
                tls.reload()
            assert [(e["log_level"], e["event"]) for e in logs] == [("error", "ingress.tls_reload_failed")]
            assert await say(number, pki.device()) == b"hello\n"
            pki.serve(pki.server_ca)
            with capture_logs() as logs:
                tls.reload()
            assert [e["event"] for e in logs] == ["ingress.tls_reloaded"]
            assert await say(number, pki.device()) == b"hello\n"

    asyncio.run(run())


def encrypted(pki: Pki, password: bytes) -> None:
    key = load_pem_private_key((pki.folder / "key.pem").read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    (pki.folder / "key.pem").write_bytes(key.private_bytes(*form))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda p: (p.folder / "key.pem").unlink(), "tls-key {0}/key.pem: cannot be read: No such file"),
        (lambda p: (p.folder / "cert.pem").unlink(), "tls-cert {0}/cert.pem: cannot be read: No such file"),
        (lambda p: (p.folder / "devices.pem").unlink(), "tls-client-ca {0}/devices.pem: cannot be read"),
        (lambda p: (p.folder / "key.pem").write_text("x"), "tls-key {0}/key.pem: holds no private key"),
        (lambda p: (p.folder / "cert.pem").write_text("x"), "tls-cert {0}/cert.pem: holds no certificate"),
        (lambda p: (p.folder / "devices.pem").write_text("x"), "tls-client-ca {0}/devices.pem: holds no"),
        (
            lambda p: trustme.CA().issue_cert("g").private_key_pem.write_to_path(str(p.folder / "key.pem")),
            "tls-key {0}/key.pem: is not the key of the certificate in {0}/cert.pem",
        ),
        (lambda p: encrypted(p, b"hunter22"), "tls-key {0}/key.pem: needs a password"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(pki: Pki, spoil: Any, told: str) -> None:
    """By its setting, its file and the reason."""
    spoil(pki)
    with pytest.raises(TlsError) as caught:
        ReloadableTls(pki.files)
    assert told.format(pki.folder) in str(caught.value)
    assert str(caught.value).startswith("ingress.")
    assert "\n" not in str(caught.value)


def test_an_encrypted_key_takes_its_password_and_shows_it_nowhere(pki: Pki) -> None:
    """A wrong one is told; nothing asks on the terminal."""
    encrypted(pki, b"hunter22")
    files = (pki.files.cert, pki.files.key)
    assert "hunter22" not in repr(ReloadableTls(TlsFiles(*files, "hunter22"))) + repr(
        TlsFiles(*files, "hunter22")
    )
    with pytest.raises(TlsError, match="password is wrong") as caught:
        ReloadableTls(TlsFiles(*files, "hunter23"))
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("days", "event"),
    [(-1, "ingress.certificate_expired"), (13, "ingress.certificate_expires_soon"), (15, None)],
)
def test_the_end_of_a_certificate_is_told(pki: Pki, days: int, event: str | None) -> None:
    """At the start: expired is a warning and no refusal, since some devices do not look at it."""
    ends = datetime.datetime(2030, 5, 1, 12, 30, 5, tzinfo=UTC)
    pki.serve(pki.server_ca, not_after=ends)
    now = (ends - datetime.timedelta(days=days)).timestamp()
    with capture_logs() as logs:
        tls = ReloadableTls(pki.one_way, clock=lambda: now)
    assert tls.expires == ends
    assert [(e["event"], e["log_level"]) for e in logs] == ([(event, "warning")] if event else [])


@pytest.mark.parametrize(
    "ends", [datetime.datetime(y, 12, 31, 23, 59, 59, tzinfo=UTC) for y in (1999, 2049, 2050)]
)
def test_both_forms_of_time_are_read(ends: datetime.datetime) -> None:
    """Certificates write years from 2050 on with four digits."""
    cert = trustme.CA().issue_cert("x", not_before=ends - datetime.timedelta(days=1), not_after=ends)
    assert expiry(cert.cert_chain_pems[0].bytes().decode()) == ends


@pytest.mark.parametrize("body", ["", "MAA=", "MIIB", "MAQwAgAA", "!!!!"])
def test_dates_of_broken_certificates_are_unknown(body: str) -> None:
    """Never an exception: what is wrong with them is told by those who use them."""
    assert expiry(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n") is None
    assert expiry(body) is None


def test_nothing_is_made_where_nothing_is_given(pki: Pki) -> None:
    """Without a certificate the listener speaks no TLS."""
    assert make_tls(IngressTlsSettings()) is None
    made = make_tls(IngressTlsSettings(cert=pki.files.cert, key=pki.files.key, client_ca=pki.files.client_ca))
    assert made is not None
    assert made.wants_certificates
    assert made.context.verify_mode == ssl.CERT_REQUIRED


SUBJECT = ((("countryName", "XY"),), (("commonName", "pump-1"),))


@pytest.mark.parametrize(
    ("certificate", "kind", "prefix", "device"),
    [
        ({"subject": SUBJECT}, "cn", "", "pump-1"),
        ({"subjectAltName": (("DNS", "a"), ("URI", "urn:device:7"))}, "uri", "urn:device:", "7"),
        ({"subjectAltName": (("URI", "spiffe://x/gw"), ("URI", "urn:device:7"))}, "uri", "urn:device:", "7"),
        ({"subject": SUBJECT, "subjectAltName": (("DNS", "d"), ("DNS", "d"))}, "dns", "", "d"),
    ],
)
def test_a_certificates_device_is_read(certificate: Any, kind: Any, prefix: str, device: str) -> None:
    """Where the settings say that it stands."""
    assert device_of(certificate, kind, prefix) == device


@pytest.mark.parametrize(
    ("certificate", "kind", "prefix", "told"),
    [
        (None, "cn", "", "is needed"),
        ({}, "cn", "", "is needed"),
        ({"subject": ()}, "cn", "", "no device"),
        ({"subject": SUBJECT}, "cn", "pump-1", "no device"),
        ({"subject": SUBJECT}, "dns", "", "no device"),
        ({"subject": (*SUBJECT, (("commonName", "pump-2"),))}, "cn", "", "several"),
        ({"subjectAltName": (("DNS", "a"), ("DNS", "b"))}, "dns", "", "several"),
    ],
)
def test_a_certificate_without_one_device_names_none(
    certificate: Any, kind: Any, prefix: str, told: str
) -> None:
    """A choice among several would be its holder's."""
    with pytest.raises(CertificateNameError, match=told):
        device_of(certificate, kind, prefix)
