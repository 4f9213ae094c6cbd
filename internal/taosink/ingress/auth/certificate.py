"""The device that a client's certificate names. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

NameKind = Literal["cn", "dns", "uri"]


class CertificateNameError(ValueError):
    """The certificate names no device, or several; the message may be shown to whoever holds it."""


def device_of(certificate: Mapping[str, Any] | None, kind: NameKind, prefix: str = "") -> str:
    """The one device in a certificate, as `ssl.SSLObject.getpeercert()` gives it: its common name, or an
    alternative name (DNS, URI), without `prefix`; names that lack the prefix do not count.

    Raises CertificateNameError.
    """
    if not certificate:
        raise CertificateNameError("a client certificate is needed")
    names = {name for name in _names(certificate, kind) if name.startswith(prefix)}
    devices = {name.removeprefix(prefix) for name in names} - {""}
    # Any choice among several would be the certificate's holder's.
    if len(devices) != 1:
        count = "no device" if not devices else "several devices"
        raise CertificateNameError(f"the client certificate names {count} by its {_WRITTEN[kind]}")
    return devices.pop()


_WRITTEN: Mapping[NameKind, str] = {"cn": "common name", "dns": "DNS names", "uri": "URIs"}


def _names(certificate: Mapping[str, Any], kind: NameKind) -> Iterator[str]:
    if kind == "cn":
        for part in certificate.get("subject", ()):
            yield from (value for name, value in part if name == "commonName")
        return
    wanted = {"dns": "DNS", "uri": "URI"}[kind]
    yield from (value for name, value in certificate.get("subjectAltName", ()) if name == wanted)
