"""Settings as a person may see them."""

from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from taosink.settings.hidden import secrets_in
from taosink.settings.kinds import Properties
from taosink.settings.redact import HIDDEN, Redactor, is_secret_property
from taosink.settings.spec import Settings, specs_of


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by its name, without secrets: their place tells whether they are set."""
    hide = Redactor(secrets_in(settings))
    return {
        spec.name: _plain(getattr(getattr(settings, spec.path[0]), spec.path[1]), hide)
        for spec in specs_of(type(settings))
    }


def _plain(value: object, hide: Callable[[str], str]) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, Properties):
        return {k: HIDDEN if is_secret_property(k) else hide(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [hide(str(v)) for v in value]
    return hide(str(value))
