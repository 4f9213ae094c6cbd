"""From the connection settings that all commands share to what the Kafka client and the drivers take."""

from dataclasses import replace

from taosink.kafka.client import security_properties
from taosink.ports import Driver
from taosink.settings.connection import KafkaSettings, TaosSettings
from taosink.taos.address import Address, parse
from taosink.taos.drivers import DriverOptions, connect


def kafka_security(kafka: KafkaSettings) -> dict[str, str]:
    """TLS and SASL as librdkafka is told. Holds secrets: never to be printed."""
    return security_properties(
        protocol=kafka.security_protocol,
        ca=str(kafka.tls_ca or ""),
        certificate=str(kafka.tls_cert or ""),
        key=str(kafka.tls_key or ""),
        key_password=kafka.tls_key_password.get_secret_value(),
        verify=kafka.tls_verify,
        mechanism=kafka.sasl_mechanism if kafka.sasl_enable else "",
        user=kafka.user,
        password=kafka.password.get_secret_value(),
    )


def kafka_properties(kafka: KafkaSettings) -> dict[str, str]:
    """librdkafka's properties for any client. Holds secrets: never to be printed."""
    brokers = ",".join(kafka.brokers)
    return {**kafka_security(kafka), **kafka.properties, "bootstrap.servers": brokers}


def taos_address(taos: TaosSettings, database: str = "") -> Address:
    """The address, with what is given beside it (user, password, database) in its place."""
    address = parse(taos.uri.get_secret_value())
    return replace(
        address,
        user=taos.user or address.user,
        password=taos.password.get_secret_value() or address.password,
        database=database or address.database,
    )


def taos_driver(taos: TaosSettings, database: str = "") -> Driver:
    """A driver for one thread; it connects at its first call. To be closed by the caller."""
    options = DriverOptions(
        connect_timeout=taos.connect_timeout,
        read_timeout=taos.timeout,
        gzip=taos.gzip,
        token=taos.token.get_secret_value(),
        ca=str(taos.tls_ca or ""),
        verify=taos.tls_verify,
    )
    return connect(taos_address(taos, database), options)
