"""Help and reference text, made from the models. Pure: the terminal's width is given."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from taosink.settings.spec import Settings, Spec, specs_of

WORDS = {
    "text": "TEXT",
    "number": "N",
    "duration": "DURATION",
    "size": "SIZE",
    "list": "LIST",
    "map": "NAME=VALUE",
    "file": "FILE",
    "time": "TIME",
}
LAYERS = (
    "A flag stands over an environment variable, that over the TOML file named by --config or TAOSINK_CONFIG,"
    " that over the default. --a.b-c, TAOSINK_A_B_C and b-c under [a] are the same setting. Flags may be"
    " written with one dash or two, with = or a space before the value; a boolean takes a value by = alone."
    " Durations are 50us, 200ms, 1m30s; sizes 256MiB, 64MB."
)
SECRETS = "Secrets (*) are best kept in a file: the variable with _FILE behind its name tells where."
HEADING = "Settings of taosink"


def help_text(command: str, about: str, model: type[Settings], *, width: int = 80) -> str:
    """What `--help` prints. No value that anybody has set stands in it, only defaults."""
    width = max(40, min(width, 100))
    parts = [f"taosink {command}: {about}", "", f"Usage: taosink {command} [--FLAG VALUE ...]", ""]
    parts += textwrap.wrap(f"{LAYERS} {SECRETS}", width)
    parts += ["", "  --config FILE", *_indented("TOML file with settings. Variable: TAOSINK_CONFIG", width)]
    for heading, specs in _groups(model):
        parts += ["", heading]
        for spec in specs:
            parts += _entry(spec, width)
    obsolete = ", ".join(o.name for o in model.obsolete)
    if obsolete:
        parts += [
            "",
            *textwrap.wrap(f"Accepted from earlier releases, and without effect: {obsolete}.", width),
        ]
    return "\n".join(parts) + "\n"


def settings_table(model: type[Settings]) -> str:
    """The settings of one process as a Markdown table for each heading."""
    return "\n".join(_table(heading, specs) for heading, specs in _groups(model))


def settings_document(commands: Mapping[str, type[Settings]]) -> str:
    """The whole reference, every command's settings, as it stands in docs/SETTINGS.md."""
    parts = [
        f"# {HEADING}\n",
        "<!-- Generated from the settings models; `make docs` writes it anew. -->\n",
        textwrap.fill(LAYERS, 110) + "\n",
        textwrap.fill(SECRETS, 110) + "\n",
    ]
    for command, model in commands.items():
        parts.append(f"## `taosink {command}`\n")
        parts.append(settings_table(model))
        parts += [
            f"- `{o.name}`, `{o.variable}`: accepted, without effect: {o.reason}." for o in model.obsolete
        ]
        parts += [""] if model.obsolete else []
    return "\n".join(parts).rstrip("\n") + "\n"


def _groups(model: type[Settings]) -> Iterator[tuple[str, Sequence[Spec]]]:
    for heading, specs in groupby(specs_of(model), key=lambda s: s.heading):
        yield heading, list(specs)


def _entry(spec: Spec, width: int) -> Iterator[str]:
    flags = [f"--{spec.short}"] if spec.short else []
    yield "  " + ", ".join([*flags, f"--{spec.name}"]) + _value(spec)
    yield from _indented(spec.text, width)
    yield from _indented(_facts(spec), width)


def _value(spec: Spec) -> str:
    star = " *" if spec.secret else ""
    if spec.kind == "bool":
        return f"[=false]{star}" if spec.default == "true" else star
    return f" {_word(spec)}{star}"


def _word(spec: Spec) -> str:
    return "|".join(c for c in spec.choices if c) if spec.choices else WORDS[spec.kind]


def _facts(spec: Spec) -> str:
    default = spec.shown or spec.default
    facts = [f"Default: {default}."] if default else []
    facts.append(f"Variable: {', '.join(_variables(spec))}")
    old = [f"--{flag}" for flag in spec.old_flags]
    return " ".join(facts) + (f". Also: {', '.join(old)}" if old else "")


def _variables(spec: Spec) -> Iterable[str]:
    return (spec.variable, *spec.old_env)


def _indented(text: str, width: int) -> list[str]:
    # Flags and variables hold hyphens and dots, and must stay whole to be copied.
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _table(heading: str, specs: Iterable[Spec]) -> str:
    rows = [
        f"### {heading}\n",
        "| Setting | Value | Default | Meaning | Variables |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *map(_row, specs)]) + "\n"


def _row(spec: Spec) -> str:
    names = [f"`{name}`" for name in filter(None, (spec.short, spec.name))]
    value = (
        "true, false" if spec.kind == "bool" else ", ".join(filter(None, spec.choices)) or WORDS[spec.kind]
    )
    default = spec.shown or (f"`{spec.default}`" if spec.default else "")
    variables = [f"`{v}`" for v in _variables(spec)]
    if spec.secret:
        variables += [f"`{v}_FILE`" for v in _variables(spec)]
    cells = (", ".join(names), value, default, spec.text, ", ".join(variables))
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"
