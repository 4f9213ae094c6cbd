"""Which texts inside a process's settings are secrets."""

from collections.abc import Iterator

from pydantic import SecretStr

from taosink.settings.kinds import Properties
from taosink.settings.redact import is_secret_property, uri_secrets
from taosink.settings.spec import Settings, Spec, specs_of

PUBLISHED = frozenset({"taosdata"})
"""TDengine's default password stands in its manual: hiding it would blank out names and no secret."""


def secrets_in(settings: Settings) -> frozenset[str]:
    """Every secret text that the settings hold, for the log's redaction. Never print it."""
    return frozenset(_texts(settings)) - PUBLISHED


def secrets_given(spec: Spec, value: str) -> frozenset[str]:
    """As `secret_texts`, of any setting: an address with a login is refused, and the refusal quotes it."""
    if spec.secret or spec.kind == "map":
        return secret_texts(spec.name, value)
    return frozenset(uri_secrets(value) if "://" in value else ())


def secret_texts(name: str, value: str) -> frozenset[str]:
    """The secrets inside one setting as somebody wrote it; empty where there is nothing to hide."""
    if name == "taosuri":
        return frozenset(uri_secrets(value)) - PUBLISHED
    if name == "kafka.properties":
        return frozenset(_secret_assignments(value))
    return frozenset({value} if value else ())


def _secret_assignments(text: str) -> Iterator[str]:
    secret = False
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if equals:
            secret = is_secret_property(key.strip())
        if secret and (value if equals else part):
            yield value if equals else part
    # A value that holds commas is one secret too.
    key, _, value = text.partition("=")
    if is_secret_property(key.strip()) and value:
        yield value


def _texts(settings: Settings) -> Iterator[str]:
    for spec in specs_of(type(settings)):
        group, field = spec.path
        value = getattr(getattr(settings, group), field)
        if isinstance(value, SecretStr):
            yield from secret_texts(spec.name, value.get_secret_value())
        elif isinstance(value, Properties):
            yield from (v for k, v in value.items() if is_secret_property(k) and v)
