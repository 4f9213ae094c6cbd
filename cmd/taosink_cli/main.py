"""`taosink COMMAND ...`: finds the command, imports that one alone, and runs it."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taosink import early_stop

DONE, FAILED, USAGE, DEFECT, INTERRUPTED = 0, 1, 2, 5, 130


@dataclass(frozen=True, slots=True)
class Command:
    """`module` holds `main(arguments, call) -> exit code`; it is imported when the command is called.

    `drains`: it answers SIGTERM and SIGINT by an orderly stop, and so they are kept for it while it is imported.
    """

    module: str
    about: str
    drains: bool = False


COMMANDS: Mapping[str, Command] = {
    "consumer": Command("consumer", "reads records from Kafka and stores them in TDengine", drains=True),
    "producer": Command("producer", "plays a fleet of devices and produces their records"),
    "segments": Command("segments", "collects segments, delivers messages whole", drains=True),
    "ingress": Command("ingress", "takes devices' messages over TCP and HTTP", drains=True),
    "send": Command("send", "sends messages from a flag, a file or standard input"),
    "tail": Command("tail", "shows the messages of a topic: tail TOPIC"),
    "token": Command("token", "makes and explains devices' tokens, and hashes secrets"),
    "init": Command("init", "makes the topics, database and supertable that are missing"),
    "doctor": Command("doctor", "checks everything that a consumer needs, before it runs"),
    "offsets show": Command("offsets", "shows where a group stands in each partition"),
    "offsets reset": Command("offsets", "sets a group's offsets: a time, an end, a number"),
    "audit": Command("audit", "proves that every record was stored or dead-lettered"),
    "dlq list": Command("dlq", "lists dead letters, by reason, device, time and more"),
    "dlq show": Command("dlq", "shows one dead letter whole: dlq show PARTITION:OFFSET"),
    "dlq stats": Command("dlq", "counts dead letters by reason, number and device"),
    "dlq replay": Command("dlq", "replays dead letters, to their topic or the database"),
    "dlq purge": Command("dlq", "deletes the beginning of the dead-letter topic"),
    "bench ingress": Command("bench", "loads a gateway with devices, and measures it"),
    "demo": Command("demo", "runs everything on this machine and audits what was stored"),
    "embedded broker": Command("embedded_broker", "a Kafka broker for demos and tests"),
    "embedded database": Command("embedded_database", "a TDengine for demos and tests, over SQLite"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called. `own_process`: by the process's own command line, which can be taken over."""

    command: str
    about: str
    own_process: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line (the process's own by default) and returns its exit code. Never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        _stand_in_for_closed()
    try:
        return _run(arguments, own_process=argv is None)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DEFECT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone.
        _give_up_output()
        return DONE
    except Exception:  # noqa: BLE001 -- the last resort: a defect has its own exit code, and a trace
        return _report_defect()


def _stand_in_for_closed() -> None:
    """Python has None for what was closed at the start (`>&-`), where everybody writes; and the next file or socket
    would take its number, and what a library prints."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- it is kept open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- the same


def _give_up_output() -> None:
    """The interpreter's own flush at the end must not fail on it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str], *, own_process: bool) -> int:
    if not arguments:
        return _refuse("a command is missing")
    if arguments[0] in {"-h", "-help", "--help", "help"}:
        return say(overview())
    if arguments[0] in {"-version", "--version", "version"}:
        from taosink import __version__  # noqa: PLC0415 -- wanted here alone

        return say(f"taosink {__version__}\n")
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            call = Call(name, COMMANDS[name].about, own_process)
            drains = own_process and COMMANDS[name].drains
            if drains:
                early_stop.hold()
            try:
                module = importlib.import_module(f"taosink_cli.{COMMANDS[name].module}")
                return int(module.main(arguments[words:], call))
            finally:
                if drains:
                    early_stop.over()
    return _refuse_unknown(arguments)


def overview() -> str:
    """The commands, one a line."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.about}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "taosink: device readings from Apache Kafka into TDengine.",
            "",
            "Usage: taosink COMMAND [--FLAG VALUE ...]",
            "",
            *lines,
            "",
            "taosink COMMAND --help tells a command's flags; taosink --version tells the version.",
            "",
        ]
    )


def _refuse_unknown(arguments: Sequence[str]) -> int:
    families = {name.partition(" ")[0] for name in COMMANDS if " " in name}
    typed = " ".join(arguments[:2]) if arguments[0] in families else arguments[0]
    from taosink.settings.nearest import hint  # noqa: PLC0415 -- wanted here alone

    near = hint(typed, COMMANDS, "'{}'")
    return _refuse(f"{typed[:40]!r} is no command{near}")


def _refuse(reason: str) -> int:
    complain(f"{reason}\n\n{overview()}")
    return USAGE


def complain(text: str) -> None:
    """A text for a person who called a command that cannot go on; nowhere if standard error was closed."""
    if sys.stderr is not None:
        sys.stderr.write(f"taosink: {text.rstrip()}\n")


def say(text: str) -> int:
    """What a person asked for, on standard output. The exit code: 1 where it could not be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"standard output cannot be written: {error.strerror}")
        _give_up_output()
        return FAILED
    return DONE


def _report_defect() -> int:
    import structlog  # noqa: PLC0415 -- help and version need no logs

    from taosink.observe import logs  # noqa: PLC0415 -- the same

    if not structlog.is_configured():
        # structlog's own default prints the local variables of a trace, and with them the environment.
        logs.configure()
    structlog.get_logger().critical("process.defect", exc_info=True, do="report it with this trace")
    return DEFECT


if __name__ == "__main__":
    sys.exit(main())
