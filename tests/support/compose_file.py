"""docker-compose.yml as compose reads it."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no type information

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMMANDS = ("init", "consumer", "ingress", "producer")
_PLACE = re.compile(r"\$\$|\$\{(\w+):-([^}]*)\}")


def filled(value: Any, given: Mapping[str, str]) -> Any:
    """Compose puts variables into what it has read: each stays text."""
    if isinstance(value, str):
        return _PLACE.sub(lambda m: "$" if m[0] == "$$" else given.get(m[1]) or m[2], value)
    if isinstance(value, dict):
        return {key: filled(item, given) for key, item in value.items()}
    return [filled(item, given) for item in value] if isinstance(value, list) else value


def services(given: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """As compose reads them, with these variables."""
    found: dict[str, dict[str, Any]] = filled(document()["services"], given or {})
    return found


@cache
def document() -> dict[str, Any]:
    """The whole file, as it stands."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def environment(name: str) -> dict[str, str]:
    """A service's variables."""
    return {key: str(value) for key, value in services()[name]["environment"].items()}


def places() -> dict[str, set[str]]:
    """The variables that the file asks for, each with its defaults."""
    found: dict[str, set[str]] = {}
    for match in _PLACE.finditer(FILE.read_text(encoding="utf-8")):
        if match[1]:
            found.setdefault(match[1], set()).add(match[2])
    return found
