"""The example file of all settings, made from the models. Pure."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from taosink.settings.help import WORDS
from taosink.settings.spec import Settings, Spec, specs_of

WIDTH = 108
HEAD = """\
Settings of taosink: all of them, of every command. Made from the settings' models; `make docs` writes it anew.

One file can serve several commands: each takes what is its own. Name it by --config or TAOSINK_CONFIG. A flag or an
environment variable stands over what is here. Every line is commented out, with the default as its value: take the
# away to change it. Lines with ## have no one default: what is there then is told above them. Secrets do not belong
here: the variables that are named in their place tell a file that holds them."""
_BARE = frozenset({"bool", "number"})


@dataclass(slots=True)
class _Entry:
    """One setting, and the commands that take it."""

    spec: Spec
    commands: list[str] = field(default_factory=list)
    defaults: set[tuple[str, str]] = field(default_factory=set)

    @property
    def settled(self) -> bool:
        """Whether all commands have the same default, and it can be written down."""
        return len(self.defaults) == 1 and bool(self.spec.default)

    def whose(self, of: Sequence[str]) -> str:
        """Its commands; a family that has it whole is named by its first word."""
        if len(self.commands) == len(of):
            return "every command"
        names = {name: name.partition(" ")[0] for name in of}
        whole = {f for f in names.values() if all(n in self.commands for n in of if names[n] == f)}
        return ", ".join(dict.fromkeys(names[n] if names[n] in whole else n for n in self.commands))


def example_document(commands: Mapping[str, type[Settings]]) -> str:
    """TOML. Every setting stands in it once, under `[first.part]` of its name."""
    entries = _entries(commands)
    tables = _tables(entries)
    parts = [_comment(HEAD)]
    for table, names in tables.items():
        if table:
            parts.append(f"[{table}]")
        parts += [_text(entries[name], table, list(commands)) for name in names]
    return "\n\n".join(parts) + "\n"


def _entries(commands: Mapping[str, type[Settings]]) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for command, model in commands.items():
        for spec in specs_of(model):
            entry = found.setdefault(spec.name, _Entry(spec))
            entry.commands.append(command)
            entry.defaults.add((spec.default, spec.shown))
    return found


def _tables(entries: Iterable[str]) -> dict[str, list[str]]:
    names = list(entries)
    tables: dict[str, list[str]] = {"": []}
    for name in names:
        table, dot, _ = name.partition(".")
        # A name that is a setting itself can be no table beside it.
        tables.setdefault(table if dot and table not in names else "", []).append(name)
    return tables


def _text(entry: _Entry, table: str, of: Sequence[str]) -> str:
    spec = entry.spec
    lines = [_comment(f"{spec.text} {_facts(entry, of)}")]
    if spec.secret:
        lines.append(_comment(_secret(spec)))
    key = spec.name.removeprefix(f"{table}.") if table else spec.name
    # Dots of its own would make it a table in a table, which means the same; a whole name is easier to find.
    key = f'"{key}"' if "." in key else key
    if entry.settled:
        lines.append(f"#{key} = {_value(spec)}")
    elif not spec.secret:
        lines.append(f"##{key} = ")
    return "\n".join(line.rstrip() for line in lines)


def _secret(spec: Spec) -> str:
    return f"A secret: {spec.variable}_FILE names the file that holds it, in place of {spec.name} here."


def _facts(entry: _Entry, of: Sequence[str]) -> str:
    spec = entry.spec
    kind = ", ".join(filter(None, spec.choices)) or WORDS.get(spec.kind, "true, false")
    facts = [kind]
    if not entry.settled:
        shown = sorted({shown or default for default, shown in entry.defaults} - {""})
        facts.append(f"default: {' or '.join(shown)}" if shown else "no default")
    elif spec.shown:
        facts.append(f"default: {spec.shown}")
    return f"({'; '.join([*facts, entry.whose(of)])})"


def _value(spec: Spec) -> str:
    # Also of a list, whose parts stand between commas: one command's list is another's single value.
    return spec.default if spec.kind in _BARE else _quoted(spec.default)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comment(text: str) -> str:
    return "\n#\n".join(map(_wrapped, text.split("\n\n")))


def _wrapped(paragraph: str) -> str:
    lines = textwrap.wrap(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False, break_long_words=False)
    return "\n".join(f"# {line}" for line in lines)
