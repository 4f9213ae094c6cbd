"""The gateway's topics: made where they are missing, and counted again while the gateway runs."""

import threading
from collections.abc import Callable, Mapping

import structlog

from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.own_topics import own_topics
from taosink.kafka.compact_topics import ensure, ensure_compacted
from taosink.kafka.topics import BrokerUnreachableError, Topic, TopicError, admin_client

log = structlog.get_logger(__name__)

TIMEOUT = 5.0


class TopicKeeper:
    """A thread of its own, so that a broker that is slow holds up nothing.

    `on_counts` is called from it with the partition counts of all topics, first when all are there, then at each
    change. `problem` says why they are not, empty where they are.
    """

    def __init__(self, options: BrokerOptions, on_counts: Callable[[Mapping[str, int]], None]) -> None:
        self.problem = "the topics have not been looked at yet"
        self._options, self._on_counts = options, on_counts
        self._admin = admin_client(options.properties)
        self._counts: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingress-topics", daemon=True)

    def __repr__(self) -> str:
        return f"<TopicKeeper {self.problem or self._counts}>"

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Waits for a call that is under way, for up to `timeout` seconds; its thread ends behind it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        timings = self._options.timings
        while not self._stop.is_set():
            self._stop.wait(timings.refresh if self._look() else timings.topic_retry)

    def _look(self) -> bool:
        try:
            counts = self._all()
        except BrokerUnreachableError as error:
            self._tell(f"no broker answers ({error.reason})", mends_itself=True)
            return False
        except TopicError as error:
            self._tell(str(error))
            return False
        except Exception:  # a dead thread would leave the gateway unready without a word
            log.exception("ingress.topics_failed")
            return False
        if counts is None:
            return False
        self.problem = ""
        if counts != self._counts:
            if self._counts:
                log.warning(
                    "ingress.topic_grown",
                    partitions=counts,
                    meaning="devices move to other partitions; readings of one that are under way may be reordered",
                )
            self._counts = counts
            self._on_counts(counts)
        return True

    def _all(self) -> dict[str, int] | None:
        create = self._options.create
        found: dict[str, Topic | None] = {}
        missing = []
        for own in own_topics(self._options):
            make = ensure_compacted if own.compacted else ensure
            topic = make(self._admin, own.name, own.partitions, create=create, timeout=TIMEOUT)
            found[own.name] = topic
            if own.needed and topic is None:
                missing.append(own.name)
        if missing:
            self._tell(f"these topics are missing: {', '.join(sorted(missing))}")
            return None
        return {name: topic.partitions for name, topic in found.items() if topic is not None}

    def _tell(self, problem: str, *, mends_itself: bool = False) -> None:
        if problem != self.problem:
            say = log.warning if mends_itself else log.error
            say(
                "ingress.topics_not_ready",
                reason=problem,
                meaning="devices wait; it is tried again by itself",
            )
        self.problem = problem
