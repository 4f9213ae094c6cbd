"""What stands at the brokers' addresses, against what the settings expect there."""

import ssl
from collections.abc import Sequence
from functools import partial

from taosink.doctor.bounded import Late, all_within
from taosink.doctor.findings import Finding, Status, failed, ok
from taosink.doctor.spoken import CONSUMER_HEARTBEAT, Heard, Spoken, listen, reason_of
from taosink.settings.connection import KafkaSettings

CHECK = "kafka address"
_TIMEOUT = 4.0


def knock(kafka: KafkaSettings, timeout: float) -> list[Finding]:
    """One finding for each address that the settings name, asked all at once. Blocks for `timeout` at most."""
    works = [partial(_knock, kafka, broker, timeout * 0.9) for broker in kafka.brokers]
    late = [_late(broker, timeout) for broker in kafka.brokers]
    found = all_within(timeout, works)
    return [late[i] if isinstance(f, Late) else f for i, f in enumerate(found)]


def why_no_broker(kafka: KafkaSettings) -> str | None:
    """What is wrong at the brokers' addresses, in one line; None where nothing shows there."""
    found = knock(kafka, _TIMEOUT)
    wrong = [f for f in found if f.status is Status.FAILED]
    return f"{wrong[0].detail}; {wrong[0].do}" if wrong and len(wrong) == len(found) else None


def place(broker: str) -> tuple[str, int]:
    host, _, number = broker.rpartition(":")
    return host, int(number)


def _late(broker: str, timeout: float) -> Finding:
    return failed(CHECK, f"{broker}: no answer in {timeout:g} s", "check the name, the network and firewalls")


def _knock(kafka: KafkaSettings, broker: str, timeout: float) -> Finding:
    host, number = place(broker)
    if not kafka.tls:
        return judge(broker, listen(host, number, timeout), kafka)
    try:
        return judge(broker, listen(host, number, timeout / 2, tls=_context(kafka)), kafka)
    except ssl.SSLError as error:
        return judge_tls(broker, error, listen(host, number, timeout / 2))


def judge(broker: str, heard: Heard, kafka: KafkaSettings) -> Finding:
    """Pure."""
    if heard.spoken is not Spoken.KAFKA:
        detail, do = _no_kafka(broker, heard)
        return failed(CHECK, detail, do)
    offered = heard.mechanisms
    if offered and not kafka.sasl_enable:
        return failed(
            CHECK,
            f"{broker} asks for a login ({', '.join(offered)})",
            "set kafka.sasl-enable, kafka.user and kafka.password, or give a listener without login",
        )
    if kafka.sasl_enable and offered is not None:
        if not offered:
            return failed(
                CHECK,
                f"{broker} is a listener without login",
                "leave out kafka.sasl-enable, or give the listener that asks for one",
            )
        if kafka.sasl_mechanism not in offered:
            return failed(
                CHECK,
                f"{broker} takes {', '.join(offered)}, not {kafka.sasl_mechanism}",
                "set kafka.sasl-mechanism to one of them",
            )
    return ok(CHECK, f"{broker} {_said(heard, kafka)}")


def _said(heard: Heard, kafka: KafkaSettings) -> str:
    secure = "over TLS" if kafka.tls else "in plain text"
    protocol = "consumer (KIP-848)" if CONSUMER_HEARTBEAT in heard.requests else "classic"
    return f"speaks Kafka {secure}; group protocol {protocol}"


def judge_tls(broker: str, error: ssl.SSLError, plain: Heard) -> Finding:
    """TLS failed there; `plain` is what it speaks without. Pure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return failed(
            CHECK,
            f"{broker}: its certificate is not trusted: {error.verify_message}",
            "give the authority that signed it as kafka.tls-ca, and the broker by a name in its certificate",
        )
    if plain.spoken is Spoken.KAFKA:
        return failed(
            CHECK, f"{broker} speaks Kafka without TLS", "leave out kafka.tls, or give the TLS listener"
        )
    if plain.spoken is not Spoken.TLS:
        detail, do = _no_kafka(broker, plain)
        return failed(CHECK, detail, do)
    return failed(
        CHECK,
        f"{broker}: no TLS connection: {reason_of(error)}",
        "check kafka.tls-cert and kafka.tls-key, which the broker may ask for, and its TLS versions",
    )


def _no_kafka(broker: str, heard: Heard) -> tuple[str, str]:
    match heard.spoken:
        case Spoken.HTTP:
            return f"{broker} is an HTTP server ({heard.detail}), no Kafka broker", _GIVE
        case Spoken.TLS:
            return f"{broker} speaks TLS", "set kafka.tls, or give the listener without TLS"
        case Spoken.REFUSED:
            return f"nothing listens at {broker} ({heard.detail})", f"start the broker, or {_GIVE}"
        case Spoken.UNRESOLVED:
            return f"the name in {broker} is not known here ({heard.detail})", "check kafka.brokers and DNS"
        case Spoken.UNREACHABLE:
            return f"{broker} is not reached ({heard.detail})", "check the network and firewalls"
        case _:
            return f"{broker} takes connections and does not speak Kafka", _GIVE


_GIVE = "give the address of a Kafka listener (9092 by default) in kafka.brokers"


def _context(kafka: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(kafka.tls_ca) if kafka.tls_ca else None)
    if not kafka.tls_verify or _trust_elsewhere(tuple(kafka.properties)):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if kafka.tls_cert and kafka.tls_key:
        password = kafka.tls_key_password.get_secret_value()
        context.load_cert_chain(kafka.tls_cert, kafka.tls_key, password or None)
    return context


def _trust_elsewhere(properties: Sequence[str]) -> bool:
    """Whom librdkafka trusts by its own properties is judged by the login alone."""
    return any(name.startswith(("ssl.", "enable.ssl")) for name in properties)
