"""What is wrong with the settings, as data; and what is worth saying although nothing is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

CONFIGURATION = 1
USAGE = 2
"""Exit codes: a value that cannot be used; a command or flag that does not exist."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `value` is None for a secret or where there is none; `usage`: the call itself is wrong."""

    setting: str
    fault: str
    origin: str = ""
    value: str | None = None
    usage: bool = False

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {self.value!r}"
        origin = f" ({self.origin})" if self.origin and self.origin != self.setting else ""
        return f"{self.setting}{shown}{origin}: {self.fault}"

    def redacted(self, hide: Callable[[str], str]) -> "Problem":
        """The same without secrets, for a fault that quotes more than it should."""
        return replace(self, fault=hide(self.fault), value=None if self.value is None else hide(self.value))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to log once logs are set up: an event's name and its fields."""

    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


class SettingsError(ValueError):
    """Everything that is wrong with the settings at once. Nothing was connected or read yet."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    @property
    def exit_code(self) -> int:
        return USAGE if any(p.usage for p in self.problems) else CONFIGURATION
