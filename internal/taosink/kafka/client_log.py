"""librdkafka's own lines, into the log that everything else goes to."""

import logging

import structlog

log = structlog.get_logger(__name__)

_UNKNOWN_TO_BROKER = "ConsumerGroupHeartbeatRequest not supported by broker"
_CONNECTION = (("FAIL",), ("ERROR",), ("FATAL",))


class ClientLog:
    """What a Consumer takes for `logger`. Called by the polling thread, from within poll; never raises.

    `unsupported` becomes true when a broker does not know the KIP-848 protocol: librdkafka then asks it again
    for ever, and tells so in a debug line only. `failure` keeps what went wrong in here.
    """

    def __init__(self, *, show_debug: bool = False) -> None:
        self.unsupported = False
        self.failure: Exception | None = None
        self._show_debug = show_debug

    def log(self, level: int, template: str, *arguments: object) -> None:
        """The one method of logging.Logger that the client calls; `arguments` begin with a facility."""
        try:
            text = template % arguments if arguments else template
            if _UNKNOWN_TO_BROKER in text:
                self.unsupported = True
            # A lost connection is up to 20 lines a second, and reaches the source by the error callback too.
            if level < logging.INFO or arguments[:1] in _CONNECTION:
                if self._show_debug or level >= logging.INFO:
                    log.debug("kafka.client", detail=text)
            else:
                log.info("kafka.client", detail=text)
        except Exception as error:  # noqa: BLE001 - raised here it would throw away the messages of the poll
            self.failure = error
