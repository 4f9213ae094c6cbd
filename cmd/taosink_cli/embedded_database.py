"""`taosink embedded database`: prints its URL as its first line and runs until SIGTERM."""

from collections.abc import Sequence

from taosink.config import EmbeddedDatabaseSettings
from taosink_cli.embedded_broker import FAILED, ListenFileError, announce
from taosink_cli.main import Call, complain
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    settings = start(EmbeddedDatabaseSettings, arguments, call).settings.database
    # After the flags: help is answered without loading the server.
    from taosink.embedded.database.server import CannotServeError, serve  # noqa: PLC0415

    try:
        serve(settings.listen, settings.data, on_ready=lambda url: announce(url, settings.listen_file))
    except (CannotServeError, ListenFileError) as error:
        complain(str(error))
        return FAILED
    return 0
