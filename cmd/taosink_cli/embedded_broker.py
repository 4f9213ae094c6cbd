"""`taosink embedded broker`: prints its address as its first line and runs until SIGTERM."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from taosink.config import EmbeddedBrokerSettings
from taosink_cli.main import Call, complain
from taosink_cli.start import start

FAILED = 1


def main(arguments: Sequence[str], call: Call) -> int:
    settings = start(EmbeddedBrokerSettings, arguments, call).settings.broker
    # After the flags: help is answered without loading the Kafka client.
    from taosink.embedded.broker import BrokerFailedError, BrokerLibraryMissingError, serve  # noqa: PLC0415

    try:
        serve(dict(settings.topics), on_ready=lambda address: announce(address, settings.listen_file))
    except (BrokerFailedError, BrokerLibraryMissingError, ListenFileError) as error:
        complain(str(error))
        return FAILED
    return 0


class ListenFileError(Exception):
    """The address could not be told."""


def announce(address: str, file: Path | None) -> None:
    """Writes the address to the file, which is there whole or not at all, and then prints it.

    Where standard output was closed at the start, the log says it. Raises ListenFileError.
    """
    if file is not None:
        half = file.with_name(f"{file.name}.new")
        try:
            half.write_text(f"{address}\n", encoding="utf-8")
            half.replace(file)
        except OSError as error:
            raise ListenFileError(f"--listen-file {file} cannot be written: {error.strerror}") from error
    if sys.stdout is None or getattr(sys.stdout, "name", "") == os.devnull:
        structlog.get_logger().info("embedded.listening", address=address)
        return
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
