"""What is known of a setting: its names, its layer names, its help; collected from the models themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

PREFIX = "TAOSINK_"

Kind = Literal["text", "number", "duration", "size", "bool", "list", "map", "file", "choice", "time"]


class Group(BaseModel):
    """Settings that belong together, under one heading of the help."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )
    heading: ClassVar[str] = ""


class Settings(BaseModel):
    """One process's settings: groups only. Frozen; safe to share between threads."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    obsolete: ClassVar[tuple["Obsolete", ...]] = ()


@dataclass(frozen=True, slots=True)
class Obsolete:
    """A setting that is accepted and does nothing, and why."""

    name: str
    variable: str
    reason: str


def setting(
    name: str,
    default: object,
    text: str,
    *,
    kind: Kind = "text",
    shown: str = "",
    short: str = "",
    old_flags: Sequence[str] = (),
    old_env: Sequence[str] = (),
    secret: bool = False,
    reads: bool = False,
    writes: bool = False,
    **constraints: Any,
) -> Any:
    """A field of a `Group`: its dotted name, its default as a person writes it, and one line of help.

    `shown` stands for the default in the help; `short` is a second flag without prefix; `old_*` are the names
    that earlier releases knew; `secret` values are never shown; `reads` marks a file that must be readable,
    `writes` one that is written.
    """
    extra = {
        "name": name,
        "default": _written(default),
        "kind": kind,
        "shown": shown,
        "short": short,
        "old_flags": list(old_flags),
        "old_env": list(old_env),
        "secret": secret,
        "reads": reads,
        "writes": writes,
    }
    return Field(default, description=text, json_schema_extra=cast(Any, extra), **constraints)


def _written(default: object) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: `path` is where its value stands in the model (group, field)."""

    name: str
    path: tuple[str, str]
    heading: str
    text: str
    kind: Kind
    default: str
    shown: str
    short: str
    old_flags: tuple[str, ...]
    old_env: tuple[str, ...]
    secret: bool
    reads: bool
    writes: bool
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        return variable_of(self.name)

    @property
    def flags(self) -> tuple[str, ...]:
        """All flags, new ones first."""
        return (*filter(None, (self.name, self.short)), *self.old_flags)

    @property
    def repeats(self) -> bool:
        return self.kind in {"list", "map"}


def variable_of(name: str) -> str:
    """The environment variable of a dotted name: `a.b-c` is TAOSINK_A_B_C."""
    return PREFIX + name.upper().replace(".", "_").replace("-", "_")


@cache
def specs_of(model: type[Settings]) -> tuple[Spec, ...]:
    """Every setting of a process, in the order of its help."""
    return tuple(
        _spec(group, group_type, field, info)
        for group, group_info in _logs_last(model.model_fields.items())
        for group_type in [cast(type[Group], group_info.annotation)]
        for field, info in group_type.model_fields.items()
    )


def _logs_last(groups: Iterable[tuple[str, FieldInfo]]) -> list[tuple[str, FieldInfo]]:
    # A base class's group would stand before what its subclass is about.
    return sorted(groups, key=lambda group: group[0] == "logs")


def _spec(group: str, group_type: type[Group], field: str, info: FieldInfo) -> Spec:
    extra = cast(dict[str, Any], info.json_schema_extra)
    literal = get_origin(info.annotation) is Literal
    return Spec(
        name=extra["name"],
        path=(group, field),
        heading=group_type.heading,
        text=info.description or "",
        kind="choice" if literal else extra["kind"],
        default=extra["default"],
        shown=extra["shown"],
        short=extra["short"],
        old_flags=tuple(extra["old_flags"]),
        old_env=tuple(extra["old_env"]),
        secret=extra["secret"],
        reads=extra["reads"],
        writes=extra["writes"],
        choices=tuple(map(str, get_args(info.annotation))) if literal else (),
    )
