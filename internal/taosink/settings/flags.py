"""Flags as Go takes them: `-x v`, `--x v`, `-x=v`; a boolean takes no value but by `=`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from taosink.settings.nearest import hint, nearest
from taosink.settings.problems import Problem

HELP = frozenset({"h", "help"})


@dataclass(slots=True)
class Flags:
    """What a command line says. `pairs` are (name without dashes, value), in order; `help` was asked for."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    help: bool = False


def parse_flags(arguments: Sequence[str], known: Mapping[str, bool]) -> Flags:
    """Reads a command's arguments. `known`: flag name to whether it is a boolean."""
    flags = Flags()
    rest = list(reversed(arguments))
    while rest:
        argument = rest.pop()
        if argument == "--" or not argument.startswith("-") or argument == "-":
            _refuse_positional(flags, [argument, *reversed(rest)] if argument != "--" else rest[::-1])
            break
        name, equals, value = argument[2 if argument.startswith("--") else 1 :].partition("=")
        if name in known:
            _take(flags, name, value if equals else None, known[name], rest)
        elif name in HELP:
            flags.help = True
        else:
            _refuse_unknown(flags, name, equals, known, rest)
    return flags


def _take(flags: Flags, name: str, value: str | None, boolean: bool, rest: list[str]) -> None:
    if value is None and boolean:
        value = "true"
    elif value is None:
        if not rest:
            flags.problems.append(Problem(f"--{name}", "needs a value", usage=True))
            return
        value = rest.pop()
    flags.pairs.append((name, value))


def _refuse_positional(flags: Flags, arguments: Sequence[str]) -> None:
    if arguments:
        fault = "is no flag, and flags are all that this command takes; a boolean is written --flag=false"
        # Behind a flag that is not known it may be a secret, and is not repeated.
        shown = "an argument" if flags.problems else f"argument {_brief(arguments[0])}"
        flags.problems.append(Problem(shown, fault, usage=True))


def _refuse_unknown(flags: Flags, name: str, equals: str, known: Mapping[str, bool], rest: list[str]) -> None:
    near = nearest(name, known)
    fault = f"is no flag of this command{hint(name, known, '--{}')}"
    flags.problems.append(Problem(f"--{_without_value(name, known)}", fault, usage=True))
    # Its value, where it stands apart, is passed over, so that the flags behind it are still checked.
    if not equals and not known.get(near, False) and rest and not rest[-1].startswith("-"):
        rest.pop()


def _without_value(name: str, known: Iterable[str]) -> str:
    # Where the = was forgotten, what stands behind a flag's name is its value, which may be a secret.
    prefix = max((k for k in known if name.startswith(k)), key=len, default="")
    return f"{prefix}..." if prefix else _brief(name)


def _brief(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
