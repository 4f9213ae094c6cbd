"""What stands at the database's address, against what the settings expect there; and how it is logged in to."""

import ssl
from dataclasses import dataclass, replace

from pydantic import SecretStr

from taosink.clients import taos_address, taos_driver
from taosink.doctor.findings import Finding, failed, ok
from taosink.doctor.spoken import Heard, Spoken, listen, reason_of
from taosink.ports import Driver
from taosink.settings.connection import TaosSettings
from taosink.taos.address import NATIVE_PORT, REST_PORT, Address, Kind
from taosink.taos.errors import ErrorClass, Local, TaosError

CHECK = "database address"
_REST = "REST is taosAdapter's: http://HOST:6041/db by default"
_NATIVE = "native is taosd's: taos://HOST:6030/db by default"


@dataclass(frozen=True, slots=True)
class Way:
    """One driver to one address. `chosen`: it is the one that the settings name."""

    kind: Kind
    settings: TaosSettings
    chosen: bool

    @property
    def address(self) -> Address:
        return taos_address(self.settings)

    @property
    def check(self) -> str:
        return "database REST" if self.kind == "rest" else "database native"

    def driver(self, timeout: float) -> Driver:
        """Connects at its first call; to be closed by the caller."""
        bounded = {"connect_timeout": timeout, "timeout": timeout}
        return taos_driver(self.settings.model_copy(update=bounded))


def ways(settings: TaosSettings) -> tuple[Way, Way]:
    """The driver that the settings name, and the other one at its own port of the same host."""
    address = taos_address(settings)
    other: Kind = "native" if address.kind == "rest" else "rest"
    host = f"[{address.host}]" if ":" in address.host else address.host
    scheme, number = ("taos", NATIVE_PORT) if other == "native" else ("http", REST_PORT)
    elsewhere = {
        "uri": SecretStr(f"{scheme}://{host}:{number}/{address.database}"),
        "user": address.user,
        "password": SecretStr(address.password),
    }
    return (
        Way(address.kind, settings, chosen=True),
        Way(other, settings.model_copy(update=elsewhere), chosen=False),
    )


def knock(settings: TaosSettings, timeout: float) -> Finding:
    """Says nothing secret to whatever is there. Blocks for about `timeout` at most."""
    address = taos_address(settings)
    first = Spoken.HTTP
    if not address.tls:
        return judge(address, listen(address.host, address.port, timeout, first=first))
    try:
        context = _context(settings)
        return judge(address, listen(address.host, address.port, timeout / 2, first=first, tls=context))
    except ssl.SSLError as error:
        return judge_tls(address, error, listen(address.host, address.port, timeout / 2, first=first))


def judge(address: Address, heard: Heard) -> Finding:
    """Pure."""
    where = f"{address.host}:{address.port}"
    if heard.spoken is (Spoken.HTTP if address.kind == "rest" else Spoken.SOMETHING):
        return ok(CHECK, f"{where} {'answers HTTP' if address.kind == 'rest' else 'takes connections'}")
    detail, do = _wrong(address, heard, where)
    return failed(CHECK, detail, do)


def _wrong(address: Address, heard: Heard, where: str) -> tuple[str, str]:
    usual = f"check taosuri: {_REST if address.kind == 'rest' else _NATIVE}"
    rest = f"write it as http://{where}/{address.database or 'db'}; {_NATIVE}"
    silent = f"{where} takes connections and speaks no HTTP: is it the native port?"
    answers = {
        Spoken.REFUSED: (f"nothing listens at {where} ({heard.detail})", f"start it, or {usual}"),
        Spoken.UNRESOLVED: (f"{address.host} is not known here ({heard.detail})", "check taosuri and DNS"),
        Spoken.UNREACHABLE: (f"{where} is not reached ({heard.detail})", "check the network and firewalls"),
        Spoken.KAFKA: (f"{where} is a Kafka broker, no TDengine", usual),
        Spoken.TLS: (f"{where} speaks TLS", "write taosuri as https://..."),
        Spoken.HTTP: (f"{where} is an HTTP server, and taosuri is a native address", rest),
        Spoken.SOMETHING: (silent, _REST),
    }
    return answers[heard.spoken]


def judge_tls(address: Address, error: ssl.SSLError, plain: Heard) -> Finding:
    """TLS failed there; `plain` is what it speaks without. Pure."""
    where = f"{address.host}:{address.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return failed(
            CHECK,
            f"{where}: its certificate is not trusted: {error.verify_message}",
            "give the authority that signed it as taos.tls-ca, and the host by a name in its certificate",
        )
    if plain.spoken is Spoken.HTTP:
        return failed(CHECK, f"{where} speaks HTTP without TLS", "write taosuri as http://...")
    if plain.spoken is not Spoken.TLS:
        return judge(replace(address, tls=False), plain)
    return failed(CHECK, f"{where}: no TLS connection: {reason_of(error)}", "check its TLS")


def _context(settings: TaosSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(settings.tls_ca) if settings.tls_ca else None)
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def told(error: TaosError) -> str:
    """Its own words, without what it would mean for rows: here none are written."""
    return error.message if error.code > 0xFFFF else f"{error.message} (0x{error.code:04X})"


def what_to_do(error: TaosError) -> str:
    if error.code == Local.LIBRARY:
        return "install the TDengine client of the server's version, or use REST"
    match error.kind:
        case ErrorClass.FATAL:
            return "check taos.user and taos.password, and what this user may do"
        case ErrorClass.FULL:
            return "make room on the server"
        case ErrorClass.SCHEMA_GAP:
            return "create it, or set schema.create"
        case _:
            return "check taosuri, and that the server runs"
