"""The layers that settings come from: each turns what was written into `Given` values and problems. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time

from taosink.settings.nearest import hint
from taosink.settings.problems import Problem
from taosink.settings.spec import PREFIX, Obsolete, Spec, variable_of

_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP|SCTP)(_|$)|$)")
_TESTS = f"{PREFIX}TEST_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as it was written. `origin` is the name that was used, `old` tells an earlier release's."""

    spec: Spec
    values: tuple[str, ...] = field(repr=False)
    origin: str
    old: bool = False


@dataclass(slots=True)
class Layer:
    """What one layer gives. `obsolete` holds the settings given that do nothing, with the name used."""

    given: list[Given] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    obsolete: list[tuple[Obsolete, str]] = field(default_factory=list)


def from_flags(
    pairs: Sequence[tuple[str, str]], specs: Sequence[Spec], obsolete: Sequence[Obsolete]
) -> Layer:
    """Flags as (name, value); names without dashes, known to `specs` or `obsolete`."""
    by_flag = {flag: spec for spec in specs for flag in spec.flags}
    inert = {o.name: o for o in obsolete}
    layer = Layer()
    for name, value in pairs:
        if name in inert:
            layer.obsolete.append((inert[name], f"--{name}"))
        else:
            spec = by_flag[name]
            layer.given.append(Given(spec, (value,), f"--{name}", name in spec.old_flags))
    return layer


def from_environment(
    environ: Mapping[str, str],
    specs: Sequence[Spec],
    obsolete: Sequence[Obsolete],
    known: Iterable[str],
    read: Callable[[str], str],
) -> Layer:
    """Variables that name settings; an empty one counts as not given. `known` are those of all processes.

    `read` gives a file's text and may raise OSError or ValueError: `*_FILE` variables of secrets name files.
    """
    layer = Layer()
    for spec in specs:
        for variable in (spec.variable, *spec.old_env):
            _add_variable(layer, environ, spec, variable, read)
    layer.obsolete += [
        (o, variable)
        for o in obsolete
        for variable in (variable_of(o.name), o.variable)
        if environ.get(variable)
    ]
    names = {*known, CONFIG_VARIABLE}
    layer.problems += [
        Problem(variable, f"is no setting's variable{_hint_of_variable(variable, names)}")
        for variable in sorted(environ)
        if variable.startswith(PREFIX) and variable not in names and not _foreign(variable)
    ]
    return layer


def variables_of(specs: Iterable[Spec], obsolete: Iterable[Obsolete]) -> Iterator[str]:
    """Every variable with the prefix that these settings are read from."""
    for spec in specs:
        yield spec.variable
        if spec.secret:
            yield f"{spec.variable}_FILE"
    yield from (variable_of(o.name) for o in obsolete)


def _hint_of_variable(variable: str, known: Collection[str]) -> str:
    stem = variable.removesuffix("_FILE")
    if stem in known:
        return f"; the nearest is {stem}"
    # The common prefix would make every name look alike.
    return hint(variable.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in known], f"{PREFIX}{{}}")


def _foreign(variable: str) -> bool:
    return variable.startswith(_TESTS) or _KUBERNETES.search(variable) is not None


def _add_variable(
    layer: Layer, environ: Mapping[str, str], spec: Spec, variable: str, read: Callable[[str], str]
) -> None:
    old = variable in spec.old_env
    value = environ.get(variable)
    if value:
        layer.given.append(Given(spec, (value,), variable, old))
    file_variable = f"{variable}_FILE"
    path = environ.get(file_variable) if spec.secret else None
    if not path:
        return
    if value:
        layer.problems.append(Problem(file_variable, f"is given beside {variable}; give one of them"))
        return
    try:
        text = read(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        layer.problems.append(Problem(file_variable, f"cannot be read: {reason}", value=path))
        return
    layer.given.append(Given(spec, (text.rstrip("\r\n"),), file_variable, old))


def from_file(
    document: Mapping[str, object],
    path: str,
    specs: Sequence[Spec],
    obsolete: Sequence[Obsolete],
    known: Mapping[str, bool],
) -> Layer:
    """A TOML document: `[a] b-c = ...`, `a.b-c = ...` and `"a.b-c" = ...` are the same setting.

    `known` are the names of all processes, so that one file can serve several, and whether it is a map: below
    those alone other names may stand.
    """
    by_name = {name: spec for spec in specs for name in (spec.name, *spec.old_flags)}
    inert = {o.name: o for o in obsolete}
    maps = {name for name, is_map in known.items() if is_map}
    layer = Layer()
    for name, value in _leaves(document, maps):
        origin = f"{name} in {path}"
        above = next((m for m in maps if name.startswith(f"{m}.")), "")
        spec = by_name.get(above or name)
        if spec is not None:
            written = {name.removeprefix(f"{above}."): value} if above else value
            _add_value(layer, spec, written, origin, (above or name) in spec.old_flags)
        elif name in inert:
            layer.obsolete.append((inert[name], origin))
        elif name not in known and not above:
            layer.problems.append(Problem(name, f"is no setting{hint(name, known)}", origin=path))
    return layer


def _leaves(document: Mapping[str, object], maps: set[str], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and name not in maps:
            yield from _leaves(value, maps, f"{name}.")
        else:
            yield name, value


def _add_value(layer: Layer, spec: Spec, value: object, origin: str, old: bool) -> None:
    texts = _texts(spec, value)
    if texts is None:
        layer.problems.append(
            Problem(spec.name, "holds a list or table where one value belongs", origin=origin)
        )
    else:
        layer.given.append(Given(spec, texts, origin, old))


def _texts(spec: Spec, value: object) -> tuple[str, ...] | None:
    if isinstance(value, Mapping):
        if spec.kind != "map":
            return None
        return tuple(f"{name}={_scalar(v)}" for name, v in _leaves(value, set()))
    if isinstance(value, list):
        if not spec.repeats or any(isinstance(v, list | Mapping) for v in value):
            return None
        return tuple(map(_scalar, value))
    return (_scalar(value),)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def choose(layers: Sequence[Layer]) -> tuple[dict[str, Given], list[Given]]:
    """For each setting the highest layer that gives it, and within it the new name over the old.

    Of several values under the same name the last counts, but lists and maps add up. The second part of the
    answer is what lost against a newer name.
    """
    chosen: dict[str, Given] = {}
    beaten: list[Given] = []
    for layer in layers:
        found: dict[str, list[Given]] = {}
        for given in layer.given:
            found.setdefault(given.spec.name, []).append(given)
        for name in found.keys() - chosen.keys():
            chosen[name], lost = _of_one_layer(found[name])
            beaten += lost
    return chosen, beaten


def _of_one_layer(given: Sequence[Given]) -> tuple[Given, list[Given]]:
    new = [g for g in given if not g.old]
    best = new or list(given)
    last = best[-1]
    if last.spec.repeats:
        last = Given(last.spec, tuple(v for g in best for v in g.values), last.origin, last.old)
    return last, [g for g in given if g.old] if new else []
