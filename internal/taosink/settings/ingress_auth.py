"""How devices prove who they are, and TLS on the listeners that they reach."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import SecretStr

from taosink.settings.kinds import Count, OptionalPath, Seconds, SecondsOrZero
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, setting

AuthMode = Literal["", "token", "secrets", "mtls", "delegated", "open"]

CHOICES: Mapping[str, str] = {
    "token": "signed tokens, made by `taosink token`",
    "secrets": "a file of device:secret pairs",
    "mtls": "client certificates",
    "delegated": "the application's workers decide",
    "open": "anybody is whoever they say",
}


class IngressAuthSettings(Group):
    """Who a device is. Tokens and secrets go with client certificates: with `ingress.tls-client-ca` each
    connection needs a certificate first, and the token or secret says which device it is."""

    heading: ClassVar[str] = "Devices' identity"

    mode: AuthMode = setting(
        "ingress.auth",
        "",
        "How devices prove who they are: token, secrets, mtls, delegated (to the application's workers) or open"
        " (no proof; logged as a warning). With ingress.tls-client-ca any of them needs a certificate besides.",
        shown="none: one must be chosen",
    )
    token_keys: OptionalPath = setting(
        "ingress.token-key-file",
        None,
        "File with the keys of tokens: id: secret a line, the first signs. Read again on SIGHUP.",
        kind="file",
        reads=True,
    )
    token_leeway: SecondsOrZero = setting(
        "ingress.token-leeway",
        "30s",
        "How long after its end a token is taken still, because clocks differ.",
        kind="duration",
    )
    secrets: OptionalPath = setting(
        "ingress.secrets-file",
        None,
        "File with device:secret a line, or TOML (*.toml); secrets as text or from `taosink token --hash`."
        " Read again on SIGHUP.",
        kind="file",
        reads=True,
    )
    secret_checks: Count = setting(
        "ingress.secret-checks",
        64,
        "Checks by scrypt that may wait or run at once; a device beyond them is answered busy.",
        kind="number",
        le=100_000,
    )
    certificate_name: Literal["cn", "dns", "uri"] = setting(
        "ingress.mtls-name", "cn", "Where a certificate names its device: common name, or DNS or URI name."
    )
    certificate_prefix: str = setting(
        "ingress.mtls-prefix",
        "",
        "What stands before the device in that name, such as urn:device: (names without it do not count).",
    )
    delegated_timeout: Seconds = setting(
        "ingress.delegated-timeout",
        "10s",
        "Longest wait for the application's connect.response.",
        kind="duration",
    )


class IngressTlsSettings(Group):
    """TLS on the listeners for devices (1.2 and later)."""

    heading: ClassVar[str] = "TLS for devices"

    cert: OptionalPath = setting(
        "ingress.tls-cert",
        None,
        "File (PEM) with this server's certificate and those between it and its authority; speaks TLS where"
        " given. Read again on SIGHUP, for new connections.",
        kind="file",
        reads=True,
    )
    key: OptionalPath = setting(
        "ingress.tls-key", None, "File (PEM) with the certificate's key.", kind="file", reads=True
    )
    key_password: SecretStr = setting(
        "ingress.tls-key-password", "", "Password of the key file.", secret=True
    )
    client_ca: OptionalPath = setting(
        "ingress.tls-client-ca",
        None,
        "File (PEM) with the authorities that may sign devices' certificates; every device needs one then.",
        kind="file",
        reads=True,
    )


@rule("ingress.auth", "ingress.token-key-file", "ingress.secrets-file", "ingress.tls-client-ca")
def _auth_files(values: Values) -> Faults:
    needed = {
        "token": "ingress.token-key-file",
        "secrets": "ingress.secrets-file",
        "mtls": "ingress.tls-client-ca",
    }
    name = needed.get(values["ingress.auth"])
    if name is not None and values[name] is None:
        yield name, f"is needed, because ingress.auth is {values['ingress.auth']}"


@rule("ingress.tls-cert", "ingress.tls-key", "ingress.tls-client-ca")
def _tls_files(values: Values) -> Faults:
    cert, key = values["ingress.tls-cert"], values["ingress.tls-key"]
    if (cert is None) != (key is None):
        missing = "ingress.tls-key" if key is None else "ingress.tls-cert"
        yield missing, "is needed too: a certificate and its key go together"
    elif cert is None and values["ingress.tls-client-ca"] is not None:
        # Going on would take devices without the certificate that its writer believes they need.
        yield "ingress.tls-cert", "is needed, because ingress.tls-client-ca is given"
