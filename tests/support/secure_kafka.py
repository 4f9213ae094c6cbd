"""A broker with a listener that speaks TLS and asks for a login by SCRAM, whose passwords change at run time."""

from pathlib import Path

import trustme
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported there
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization
from support.kafka_broker import admin, free_ports
from support.kafka_jars_broker import PROPERTIES, JarKafka

NAME = "listener.name.secure"
USER, PASSWORD = "carol", "carol-pw"
LOGIN_LASTS_MS = 1500
"""After so long the broker asks a connection to log in again: so a changed password shows on open ones."""


class SecureKafka(JarKafka):
    """`secure_bootstrap` takes USER with PASSWORD over TLS; `ca` and `other_ca` are the files of the authority
    that signed the broker's certificate and of one that did not."""

    def __init__(self, work: Path) -> None:
        certificates = work.with_name("certificates")
        certificates.mkdir(parents=True)
        self.ca, self.other_ca = certificates / "ca.pem", certificates / "other.pem"
        trusted = trustme.CA()
        trusted.cert_pem.write_to_path(str(self.ca))
        trustme.CA().cert_pem.write_to_path(str(self.other_ca))
        keystore = certificates / "broker.pem"
        _write_keystore(trusted.issue_cert("127.0.0.1"), keystore)
        [number] = free_ports(1)
        self.secure_bootstrap = f"127.0.0.1:{number}"
        protocols = PROPERTIES["listener.security.protocol.map"]
        super().__init__(
            work,
            {
                "listener.security.protocol.map": f"{protocols},SECURE:SASL_SSL",
                f"{NAME}.sasl.enabled.mechanisms": "SCRAM-SHA-256",
                f"{NAME}.scram-sha-256.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
                f"{NAME}.scram-sha-256.connections.max.reauth.ms": str(LOGIN_LASTS_MS),
                f"{NAME}.ssl.keystore.type": "PEM",
                f"{NAME}.ssl.keystore.location": str(keystore),
            },
            listeners={"SECURE": self.secure_bootstrap},
        )
        self.set_password(PASSWORD)

    def set_password(self, password: str) -> None:
        """USER's, from now on."""
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        change = UserScramCredentialUpsertion(USER, how, password.encode())
        client = admin(self.bootstrap)  # kept: its end would cancel the request
        for done in client.alter_user_scram_credentials([change]).values():
            done.result(30)

    def arguments(self, *, ca: Path | None = None, password: str = PASSWORD) -> dict[str, str]:
        """The settings of a client of the secure listener."""
        return {
            "kafka.brokers": self.secure_bootstrap,
            "kafka.tls": "true",
            "kafka.tls-ca": str(ca or self.ca),
            "kafka.sasl-enable": "true",
            "kafka.sasl-mechanism": "SCRAM-SHA-256",
            "kafka.user": USER,
            "kafka.password": password,
        }


def _write_keystore(certificate: trustme.LeafCert, where: Path) -> None:
    """Kafka reads keys as PKCS #8 only."""
    pem = certificate.private_key_pem.bytes()
    key = serialization.load_pem_private_key(pem, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    where.write_bytes(key + chain)
