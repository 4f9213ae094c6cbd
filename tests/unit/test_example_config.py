"""The example file: whole, and a file that every command takes."""

import re
import tomllib
from pathlib import Path

import pytest

from taosink.config import MODELS, CommandSettings, load
from taosink.settings.spec import specs_of

FILE = Path(__file__).parents[2] / "deployments" / "config" / "taosink.toml"
SETTLED, OPEN = re.compile(r"^#(?=[\"a-z])", re.MULTILINE), re.compile(r"^##(.*) =$", re.MULTILINE)


def names_in(document: dict[str, object], above: str = "") -> set[str]:
    found = set()
    for key, value in document.items():
        if isinstance(value, dict):
            found |= names_in(value, f"{above}{key}.")
        else:
            found.add(f"{above}{key}")
    return found


def settings_of(command: str, file: Path | None) -> CommandSettings:
    return load(MODELS[command], [], config=str(file) if file else None, environ={}).settings


def test_every_setting_stands_in_it_once() -> None:
    """With its default, or with the word that there is none; secrets by the variable that names their file."""
    text = FILE.read_text(encoding="utf-8")
    filled = tomllib.loads(OPEN.sub(r"\1 = 0", SETTLED.sub("", text)))
    # Of a setting that several commands have, the first one's words.
    every = {spec.name: spec for model in reversed(list(MODELS.values())) for spec in specs_of(model)}
    shown = names_in(filled)
    assert shown <= every.keys()
    for name, spec in every.items():
        assert spec.text in " ".join(text.replace("\n# ", " ").split()), name
        assert (name in shown) or (spec.secret and f"{spec.variable}_FILE" in text), name
        assert not (spec.secret and not spec.default and name in shown), (
            f"{name} invites a secret into a file"
        )


@pytest.mark.parametrize("command", MODELS)
def test_it_loads_as_it_is_and_with_every_default_written_out(command: str, tmp_path: Path) -> None:
    """Both give what no file gives."""
    text = FILE.read_text(encoding="utf-8")
    written = tmp_path / "taosink.toml"
    written.write_text(SETTLED.sub("", text), encoding="utf-8")
    assert tomllib.loads(text).keys() == {k for k, v in tomllib.loads(text).items() if v == {}}
    bare = settings_of(command, None)
    assert settings_of(command, FILE) == bare
    assert settings_of(command, written) == bare


def test_a_value_that_is_changed_there_counts(tmp_path: Path) -> None:
    """The lines are no prose: without its # one is a setting."""
    changed = FILE.read_text(encoding="utf-8").replace('#interval = "500ms"', 'interval = "750ms"', 1)
    written = tmp_path / "taosink.toml"
    written.write_text(changed, encoding="utf-8")
    before = load(MODELS["consumer"], [], environ={}).settings
    after = load(MODELS["consumer"], [], config=str(written), environ={}).settings
    assert before != after
