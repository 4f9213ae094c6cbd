"""`taosink dlq list|show|stats|replay|purge`."""

from collections.abc import Sequence

from taosink.settings.dlq import (
    DlqListSettings,
    DlqPurgeSettings,
    DlqReplaySettings,
    DlqShowSettings,
    DlqStatsSettings,
)
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    """One of the family, by the command's second word."""
    # Each is imported after its flags: help and a wrong setting are answered without the Kafka client.
    match call.command.split()[-1]:
        case "list":
            listing = start(DlqListSettings, arguments, call)
            from taosink.dlq.app import run_list  # noqa: PLC0415

            return run_list(listing.settings)
        case "show":
            showing = start(DlqShowSettings, placed(arguments), call)
            from taosink.dlq.app import run_show  # noqa: PLC0415

            return run_show(showing.settings)
        case "stats":
            counting = start(DlqStatsSettings, arguments, call)
            from taosink.dlq.app import run_stats  # noqa: PLC0415

            return run_stats(counting.settings)
        case "replay":
            replaying = start(DlqReplaySettings, arguments, call)
            from taosink.dlq.replay_app import run_replay  # noqa: PLC0415

            return run_replay(replaying.settings)
        case _:
            purging = start(DlqPurgeSettings, arguments, call)
            from taosink.dlq.app import run_purge  # noqa: PLC0415

            return run_purge(purging.settings)


def placed(arguments: Sequence[str]) -> list[str]:
    """`show 0:17 --topic t` as flags alone: the first word is the letter's place."""
    if arguments and not arguments[0].startswith("-"):
        return ["--dlq.at", *arguments]
    return list(arguments)
