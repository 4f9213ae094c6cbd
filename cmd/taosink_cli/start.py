"""How every command begins: read its flags, answer `--help`, validate all settings, set up logs."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, TypeVar

import structlog

from taosink import early_stop
from taosink.config import CommandSettings, Loaded, load
from taosink.observe import logs
from taosink.settings.flags import Flags, parse_flags
from taosink.settings.help import help_text
from taosink.settings.hidden import secret_texts
from taosink.settings.problems import CONFIGURATION, USAGE, Problem, SettingsError
from taosink.settings.spec import specs_of
from taosink_cli.main import Call, complain, say
from taosink_cli.secret_flags import FD_FLAG, HandOverError, Pairs, hand_over, take_over

S = TypeVar("S", bound=CommandSettings)
CONFIG_FLAG = "config"


def start(model: type[S], arguments: Sequence[str], call: Call) -> Loaded[S]:
    """The settings, validated, with logs set up as they say. Connects to nothing.

    Raises SystemExit: 0 after help, 1 for settings that cannot be used, 2 for flags that do not exist.
    """
    logs.configure()
    flags = parse_flags(arguments, _known(model))
    if flags.help:
        sys.exit(say(help_text(call.command, call.about, model, width=shutil.get_terminal_size().columns)))
    handed = _take(flags)
    exposed = [] if flags.problems else _hide(model, flags, call)
    loaded = _load(model, flags, handed)
    logs.configure(loaded.settings.logs.level, loaded.settings.logs.format, hide=loaded.redactor)
    _tell(loaded, handed, exposed)
    return loaded


def _known(model: type[CommandSettings]) -> dict[str, bool]:
    known = {flag: spec.kind == "bool" for spec in specs_of(model) for flag in spec.flags}
    return {
        **known,
        **dict.fromkeys((o.name for o in model.obsolete), False),
        CONFIG_FLAG: False,
        FD_FLAG: False,
    }


def _pop(flags: Flags, name: str) -> str | None:
    values = [v for n, v in flags.pairs if n == name]
    flags.pairs = [(n, v) for n, v in flags.pairs if n != name]
    return values[-1] if values else None


def _take(flags: Flags) -> Pairs:
    """Secrets that an earlier self of this process took off its command line."""
    descriptor = _pop(flags, FD_FLAG)
    if descriptor is None:
        return []
    try:
        return take_over(descriptor)
    except HandOverError as error:
        flags.problems.append(Problem(f"--{FD_FLAG}", f"is not for people: {error}", usage=True))
        return []


def _hide(model: type[CommandSettings], flags: Flags, call: Call) -> list[str]:
    """Starts the process anew where its command line holds secrets; returns the flags that stay visible."""
    names = {f: s.name for s in specs_of(model) if s.secret or s.kind == "map" for f in s.flags}
    secrets = [(n, v) for n, v in flags.pairs if n in names and secret_texts(names[n], v)]
    if secrets and call.own_process and early_stop.block():
        rest = [p for p in flags.pairs if p not in secrets]
        # Where it fails, the log says so: the flags are returned as visible ones.
        with suppress(HandOverError):
            hand_over(call.command.split(), rest, secrets)
        early_stop.unblock()
    return [n for n, _ in secrets]


def _load(model: type[S], flags: Flags, handed: Pairs) -> Loaded[S]:
    config = _pop(flags, CONFIG_FLAG)
    try:
        loaded = load(model, [*handed, *flags.pairs], config=config)
    except SettingsError as error:
        _refuse([*flags.problems, *error.problems])
    if flags.problems:
        _refuse(flags.problems)
    return loaded


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    complain("\n".join([f"{count} wrong; nothing was started", *(f"  {p}" for p in problems)]))
    sys.exit(USAGE if any(p.usage for p in problems) else CONFIGURATION)


def _tell(loaded: Loaded[S], handed: Pairs, exposed: Sequence[str]) -> None:
    log = structlog.get_logger()
    for notice in loaded.notices:
        log.warning(notice.event, **notice.fields)
    flags = [f"--{n}" for n in dict.fromkeys([*(n for n, _ in handed), *exposed])]
    if flags:
        log.warning(
            "settings.secret_on_command_line",
            flags=flags,
            visible_in_ps=bool(exposed),
            do="give it by a variable, or by a file that its _FILE variable names",
        )
