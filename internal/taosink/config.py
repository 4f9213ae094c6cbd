"""Settings of a process: flags over environment over file over defaults.

Nothing else reads the environment.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic

from taosink.settings.audit import AuditSettings
from taosink.settings.connection import CommandSettings
from taosink.settings.consumer import ConsumerSettings
from taosink.settings.dlq import (
    DlqListSettings,
    DlqPurgeSettings,
    DlqReplaySettings,
    DlqShowSettings,
    DlqStatsSettings,
)
from taosink.settings.doctor import DoctorSettings
from taosink.settings.embedded import DemoSettings, EmbeddedBrokerSettings, EmbeddedDatabaseSettings
from taosink.settings.files import why_unreadable, why_unwritable
from taosink.settings.hidden import secrets_given, secrets_in
from taosink.settings.ingress import IngressSettings
from taosink.settings.init import InitSettings
from taosink.settings.layers import (
    CONFIG_VARIABLE,
    Given,
    Layer,
    choose,
    from_environment,
    from_file,
    from_flags,
    variables_of,
)
from taosink.settings.load import LoadSettings
from taosink.settings.offsets import OffsetsResetSettings, OffsetsShowSettings
from taosink.settings.problems import Notice, Problem, SettingsError
from taosink.settings.producer import ProducerSettings
from taosink.settings.redact import Redactor
from taosink.settings.resolve import S, problem_of, resolve
from taosink.settings.rules import remarks
from taosink.settings.segments import SegmentsSettings
from taosink.settings.send import SendSettings
from taosink.settings.spec import Settings, Spec, specs_of
from taosink.settings.tail import TailSettings
from taosink.settings.token import TokenSettings
from taosink.settings.yaml_file import parse_yaml

__all__ = [
    "MODELS",
    "CommandSettings",
    "ConsumerSettings",
    "DemoSettings",
    "EmbeddedBrokerSettings",
    "EmbeddedDatabaseSettings",
    "IngressSettings",
    "InitSettings",
    "LoadSettings",
    "Loaded",
    "ProducerSettings",
    "load",
]

MODELS: Mapping[str, type[CommandSettings]] = {
    "consumer": ConsumerSettings,
    "producer": ProducerSettings,
    "segments": SegmentsSettings,
    "ingress": IngressSettings,
    "send": SendSettings,
    "tail": TailSettings,
    "token": TokenSettings,
    "init": InitSettings,
    "doctor": DoctorSettings,
    "offsets show": OffsetsShowSettings,
    "offsets reset": OffsetsResetSettings,
    "audit": AuditSettings,
    "dlq list": DlqListSettings,
    "dlq show": DlqShowSettings,
    "dlq stats": DlqStatsSettings,
    "dlq replay": DlqReplaySettings,
    "dlq purge": DlqPurgeSettings,
    "embedded broker": EmbeddedBrokerSettings,
    "embedded database": EmbeddedDatabaseSettings,
    "bench ingress": LoadSettings,
    "demo": DemoSettings,
}
"""The settings of each command."""


YAML = (".yaml", ".yml")
"""Ends of names of files that are YAML; any other is TOML."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """Valid settings, what is to be logged about them, and the means to keep their secrets out of logs."""

    settings: S
    notices: Sequence[Notice]
    redactor: Redactor = field(default_factory=Redactor)


def load(
    model: type[S],
    flags: Sequence[tuple[str, str]] = (),
    *,
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded[S]:
    """Reads and validates; blocks for files alone, connects to nothing. Raises SettingsError (all faults).

    `flags` are (name, value) of flags that the model knows. `config` names the TOML file, else the variable
    TAOSINK_CONFIG does.
    """
    environ = os.environ if environ is None else environ
    specs, obsolete = specs_of(model), model.obsolete
    layers = [
        from_flags(flags, specs, obsolete),
        from_environment(environ, specs, obsolete, known_variables(), read_text),
        _file_layer(model, config, environ),
    ]
    chosen, beaten = choose(layers)
    settings, values, problems = resolve(model, chosen)
    problems = [*(p for layer in layers for p in layer.problems), *problems]
    problems += _unusable_files(specs, chosen, values)
    redactor = Redactor(_given_secrets(layers) | secrets_in(settings))
    if problems:
        raise SettingsError([p.redacted(redactor) for p in problems])
    return Loaded(settings, [*_notices(layers, beaten), *remarks(values)], redactor)


def _notices(layers: Sequence[Layer], beaten: Sequence[Given]) -> Iterator[Notice]:
    for layer in layers:
        for inert, origin in layer.obsolete:
            yield Notice("settings.obsolete", {"given": origin, "does": "nothing", "reason": inert.reason})
    for given in beaten:
        yield Notice("settings.old_name_ignored", {"given": given.origin, "in_use": given.spec.name})


def _given_secrets(layers: Sequence[Layer]) -> frozenset[str]:
    """Also those that lost against a higher layer, or that stand in a value which is wrong."""
    return frozenset(
        secret
        for layer in layers
        for given in layer.given
        for text in given.values
        for secret in secrets_given(given.spec, text)
    )


def read_text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@cache
def known_variables() -> frozenset[str]:
    """Every variable of every process: one environment often serves several of them."""
    return frozenset(v for m in MODELS.values() for v in variables_of(specs_of(m), m.obsolete))


@cache
def known_names() -> Mapping[str, bool]:
    """Every setting's name of every process, the old ones included, and whether it is a map."""
    specs = [spec for model in MODELS.values() for spec in specs_of(model)]
    found = {name: spec.kind == "map" for spec in specs for name in (spec.name, *spec.old_flags)}
    return found | {o.name: False for model in MODELS.values() for o in model.obsolete if o.name not in found}


def _file_layer(model: type[Settings], config: str | None, environ: Mapping[str, str]) -> Layer:
    path = config or environ.get(CONFIG_VARIABLE)
    if not path:
        return Layer()
    origin = "--config" if config else CONFIG_VARIABLE
    try:
        text = read_text(path)
        document = parse_yaml(text) if path.endswith(YAML) else tomllib.loads(text)
    except OSError as error:
        return Layer(problems=[Problem("config", f"cannot be read: {error.strerror}", origin, path)])
    except ValueError as error:
        reason = "" if isinstance(error, UnicodeError) else f": {error}"
        kind = "YAML" if path.endswith(YAML) else "TOML"
        return Layer(problems=[Problem("config", f"is no {kind}{reason}", origin, path)])
    return from_file(document, path, specs_of(model), model.obsolete, known_names())


def _unusable_files(
    specs: Sequence[Spec], chosen: Mapping[str, Given], values: Mapping[str, Any]
) -> Iterator[Problem]:
    for spec in specs:
        path = values.get(spec.name)
        if not isinstance(path, Path):
            continue
        if spec.reads and (reason := why_unreadable(path)):
            yield problem_of(spec, chosen, f"cannot be read: {reason}")
        if spec.writes and (reason := why_unwritable(path)):
            yield problem_of(spec, chosen, f"cannot be written: {reason}")
