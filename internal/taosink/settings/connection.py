"""Settings that several processes share: the Kafka connection, the database's address, logs."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr

from taosink.settings.files import authorities, certificate
from taosink.settings.kinds import Brokers, Flag, OptionalPath, PropertyMap, Seconds
from taosink.settings.rules import Values, rule
from taosink.settings.spec import Group, Obsolete, Settings, setting


def check_uri(uri: SecretStr) -> SecretStr:
    """Raises ValueError (whose text holds no password) where the address cannot be read."""
    # Asked only where an address is checked: tools without a database start without the driver package.
    from taosink.taos.address import parse  # noqa: PLC0415

    parse(uri.get_secret_value())
    return uri


def level_name(value: object) -> object:
    """Levels are often written in capitals, and WARN for WARNING."""
    lower = str(value).lower()
    return "warning" if lower == "warn" else lower


Uri = Annotated[SecretStr, AfterValidator(check_uri)]

OBSOLETE_KAFKA = (
    Obsolete("kafka.version", "KAFKA_VERSION", "the protocol version is negotiated with the broker"),
    Obsolete("broker.type", "BROKER_TYPE", "Kafka is the only broker"),
)


class KafkaSettings(Group):
    """How the brokers are reached."""

    heading: ClassVar[str] = "Kafka connection"

    brokers: Brokers = setting(
        "kafka.brokers",
        "localhost:9092",
        "Brokers to start from: host:port, several separated by commas.",
        kind="list",
        old_env=["KAFKA_BROKERS"],
    )
    tls: Flag = setting("kafka.tls", False, "Speak TLS to the brokers.", kind="bool")
    tls_ca: OptionalPath = setting(
        "kafka.tls-ca",
        None,
        "File (PEM) with the authorities that may sign a broker's certificate.",
        kind="file",
        shown="the system's",
        reads=True,
    )
    tls_cert: OptionalPath = setting(
        "kafka.tls-cert", None, "File (PEM) with this client's certificate.", kind="file", reads=True
    )
    tls_key: OptionalPath = setting(
        "kafka.tls-key",
        None,
        "File (PEM) with the key of this client's certificate.",
        kind="file",
        reads=True,
    )
    tls_key_password: SecretStr = setting(
        "kafka.tls-key-password", "", "Password of the key file.", secret=True
    )
    tls_verify: Flag = setting(
        "kafka.tls-verify",
        True,
        "Check the brokers' certificates and names; false trusts anybody on the network.",
        kind="bool",
    )
    sasl_enable: Flag = setting(
        "kafka.sasl-enable",
        False,
        "Log in by SASL with kafka.user and kafka.password.",
        kind="bool",
        old_flags=["kafka.saslEnable"],
        old_env=["KAFKA_SASL_ENABLE"],
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "kafka.sasl-mechanism", "PLAIN", "How the password is proven to the broker."
    )
    user: str = setting("kafka.user", "", "SASL user.", old_env=["KAFKA_USER"])
    password: SecretStr = setting(
        "kafka.password", "", "SASL password.", secret=True, old_env=["KAFKA_PASSWORD"]
    )
    properties: PropertyMap = setting(
        "kafka.properties",
        "",
        "Further librdkafka properties, name=value; repeat the flag for more.",
        kind="map",
    )

    @property
    def security_protocol(self) -> Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]:
        """librdkafka's word for TLS and SASL taken together."""
        if self.sasl_enable:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"


class TaosSettings(Group):
    """How TDengine is reached."""

    heading: ClassVar[str] = "TDengine connection"

    uri: Uri = setting(
        "taosuri",
        "root:taosdata/tcp(tdengine:6030)/test",
        "Address: user:password/tcp(host:6030)/db, taos://user:password@host:6030/db or"
        " http(s)://user:password@host:6041/db.",
        secret=True,
        old_env=["TAOSURI"],
    )
    user: str = setting("taos.user", "", "User, in place of the address's.", shown="the address's")
    password: SecretStr = setting(
        "taos.password", "", "Password, in place of the address's.", secret=True, shown="the address's"
    )
    token: SecretStr = setting(
        "taos.token", "", "Token for REST, in place of user and password.", secret=True
    )
    timeout: Seconds = setting(
        "taos.timeout",
        "60s",
        "Longest wait for the answer to one statement; keep it above the server's own.",
        kind="duration",
    )
    connect_timeout: Seconds = setting(
        "taos.connect-timeout", "10s", "Longest wait for a connection.", kind="duration"
    )
    gzip: Flag = setting("taos.gzip", False, "Compress statements sent by REST.", kind="bool")
    tls_ca: OptionalPath = setting(
        "taos.tls-ca",
        None,
        "File (PEM) with the authorities that may sign the server's certificate (https addresses).",
        kind="file",
        shown="the system's",
        reads=True,
    )
    tls_verify: Flag = setting(
        "taos.tls-verify",
        True,
        "Check the server's certificate and name; false trusts anybody on the network.",
        kind="bool",
    )


class LogSettings(Group):
    """What is logged to standard error, and how."""

    heading: ClassVar[str] = "Logs"

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(level_name)] = setting(
        "log.level", "info", "The least severe level that is logged."
    )
    format: Literal["auto", "json", "console"] = setting(
        "log.format", "auto", "One JSON object a line, or text for people (auto: text on a terminal)."
    )


class CommandSettings(Settings):
    """What every command can be told. Subclasses add their groups; logs come last in the help."""

    logs: LogSettings = LogSettings()


def _speaks_tls(values: Values) -> bool:
    """And is not told by librdkafka's own properties how."""
    return bool(values["kafka.tls"]) and not any(
        name.startswith("ssl.") for name in values["kafka.properties"]
    )


def _is_https(values: Values) -> bool:
    return bool(values["taosuri"].get_secret_value().startswith("https"))


rule("kafka.tls", "kafka.properties", "kafka.tls-ca")(authorities("kafka.tls-ca", needs=_speaks_tls))
rule("kafka.tls", "kafka.properties", "kafka.tls-cert", "kafka.tls-key", "kafka.tls-key-password")(
    certificate("kafka.tls-cert", "kafka.tls-key", "kafka.tls-key-password", needs=_speaks_tls)
)
rule("taosuri", "taos.tls-ca")(authorities("taos.tls-ca", needs=_is_https))
