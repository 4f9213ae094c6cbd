"""`taosink tail TOPIC`."""

from collections.abc import Sequence

from taosink.settings.tail import TailSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(TailSettings, named(arguments), call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.messages.tail import run_tail  # noqa: PLC0415

    return run_tail(loaded.settings)


def named(arguments: Sequence[str]) -> list[str]:
    """`tail readings --follow` as flags alone: the first word is the topic."""
    if arguments and not arguments[0].startswith("-"):
        return ["--topic", *arguments]
    return list(arguments)
