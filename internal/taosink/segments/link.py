"""Segments on their way to the link: queued when `/send` is answered, posted in the background."""

import structlog

from taosbatch.backoff import Backoff
from taosink.ingress.callbacks import Poster, shown
from taosink.segments.courier import Courier, Fate, Parcel
from taosink.settings.segments import LinkSettings

log = structlog.get_logger(__name__)

THREADS = 4
BACKOFF = Backoff(first=0.2, max=5.0)


class SegmentLink:
    """`start`, `offer` from any thread (the event loop too: it does not block), `stop`. A message whose segment finds
    nobody after all its tries is given up with an ERROR, and so is what is left at the stop: its sender has long been
    answered, and the link may lose segments anyway. A sender's messages go one after another, in order."""

    def __init__(self, settings: LinkSettings) -> None:
        self._url = settings.url
        self._poster = Poster(
            settings.url,
            timeout=settings.timeout,
            connections=THREADS,
            token=settings.token.get_secret_value(),
            ca=str(settings.ca or ""),
        )
        self._courier = Courier(
            "link",
            self._poster.post,
            threads=THREADS,
            max_bytes=settings.queue,
            attempts=settings.attempts,
            backoff=BACKOFF,
        )

    def __repr__(self) -> str:
        return f"<SegmentLink {shown(self._url)} {self._courier!r}>"

    @property
    def waiting(self) -> int:
        """Messages of which segments are still to be posted."""
        return self._courier.waiting

    def start(self) -> None:
        """Once."""
        self._courier.start()

    def offer(self, name: str, sender: str, bodies: list[bytes]) -> bool:
        """False where there is no room, or after `stop`; none was taken then."""

        def ended(fate: Fate, detail: str) -> None:
            if fate is not Fate.DELIVERED:
                log.error(
                    "segments.not_sent",
                    id=name,
                    sender=sender,
                    fate=fate.value,
                    detail=detail,
                    meaning="the message, or the rest of it, was not sent on",
                    do="check segments.link-url",
                )

        return self._courier.put(Parcel(sender, bodies, ended))

    def stop(self, seconds: float) -> int:
        """Posts what waits for up to `seconds`; returns how many messages are left, which are lost. Blocks for about
        a second longer at most."""
        left = self._courier.flush(seconds)
        if left:
            log.error("segments.left_unsent", messages=left, meaning="they were not sent on, or not whole")
        self._courier.stop(1.0)
        self._poster.close()
        return left
