"""`taosink dlq replay`: wires a replay to the topic, the database and the terminal."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from taosbatch.encoding import Encoder
from taosink.audit.app import NoDatabaseError, live_layout
from taosink.audit.readings import Readings
from taosink.clients import kafka_properties, taos_address, taos_driver
from taosink.dlq import view
from taosink.dlq.app import meant, say
from taosink.dlq.overwrites import StoredRows
from taosink.dlq.replay import Outcome, Replay
from taosink.dlq.replay_plan import Rules
from taosink.dlq.scan import LetterBox
from taosink.dlq.targets import Database, ReplayError, Target, Topics
from taosink.kafka.publish import PublishError
from taosink.kafka.topic_reader import TopicReader
from taosink.kafka.topics import TopicError
from taosink.records.encoder import RecordEncoder
from taosink.records.routes import RouteEncoder, RouteError, load_route
from taosink.settings.dlq import DlqReplaySettings
from taosink.taos.errors import TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter
from taosink.tools import FAILED, FINE, fail, progress, terminal

UNCHECKED = "; --check=false replays to the topic without asking the database what is stored"


def run_replay(settings: DlqReplaySettings) -> int:
    """Replays what is meant, or tells what it would replay. Exit code: 0 done (or a dry run), 1 it could not
    be done, or some letters were refused."""
    done = settings.replay.yes
    try:
        with ExitStack() as stack:
            outcome = _run(settings, stack)
    except TaosError as error:
        hint = UNCHECKED if settings.replay.to == "topic" else ""
        return fail("dlq replay", TaosError(error.code, error.message + hint, error.server, kind=error.kind))
    except (TopicError, PublishError, ReplayError, RouteError, NoDatabaseError) as error:
        return fail("dlq replay", error)
    if settings.output.as_json:
        say(outcome.as_json(done=done))
    else:
        _show(outcome, settings)
    return FAILED if outcome.refused else FINE


def _run(settings: DlqReplaySettings, stack: ExitStack) -> Outcome:
    wanted, properties = settings.replay, kafka_properties(settings.kafka)
    letters = settings.origin.dead_letters
    step = stack.enter_context(progress())
    box = stack.enter_context(LetterBox(properties, letters, progress=step))
    to_topic = wanted.to == "topic"
    rules = Rules(wanted.max_attempts, wanted.again, Partitions(properties) if to_topic else None)
    rows = _stored_rows(settings, stack) if wanted.check else None
    replay = Replay(
        meant(settings.filter),
        rules,
        box.receipts(),
        stored=rows.holds if rows else None,
        skip_stored=wanted.existing == "skip",
        max_shown=settings.output.limit or 1_000_000,
    )
    if not wanted.yes:
        return replay.run(box.all())
    topics = Topics(properties, letters)
    stack.callback(topics.close)
    target: Target = topics if to_topic else _database(settings, stack)
    return replay.run(box.all("replayed"), target, topics.receipts)


class Partitions:
    """Which (topic, partition) exist: asked once for a topic. A container, for `Rules.origins`."""

    def __init__(self, properties: dict[str, str]) -> None:
        self._properties = properties
        self._known: dict[str, frozenset[int]] = {}

    def __repr__(self) -> str:
        return f"<Partitions of {len(self._known)} topics>"

    def __contains__(self, origin: object) -> bool:
        if not isinstance(origin, tuple):
            return False
        topic, partition = origin
        if topic not in self._known:
            with TopicReader(self._properties, topic) as reader:
                self._known[topic] = frozenset(reader.extent() if reader.exists() else ())
        return partition in self._known[topic]


def _stored_rows(settings: DlqReplaySettings, stack: ExitStack) -> StoredRows:
    driver = taos_driver(settings.taos, settings.rows.database)
    stack.callback(driver.close)
    name = taos_address(settings.taos, settings.rows.database).database
    route = load_route(settings.rows.route) if settings.rows.route else None
    return StoredRows(driver, Readings(live_layout(driver, name, settings.rows), route))


def _database(settings: DlqReplaySettings, stack: ExitStack) -> Database:
    driver = taos_driver(settings.taos, settings.rows.database)
    name = taos_address(settings.taos, settings.rows.database).database
    encoder: Encoder = RecordEncoder()
    if settings.rows.route:
        encoder = RouteEncoder(load_route(settings.rows.route))
    writer = SqlBatchWriter(
        driver, encoder, LiveSchema(live_layout(driver, name, settings.rows), SchemaPolicy())
    )
    stack.callback(writer.close)
    return Database(writer, wait=time.sleep)


def _show(outcome: Outcome, settings: DlqReplaySettings) -> None:
    wanted = settings.replay
    console = terminal()
    if outcome.shown and not wanted.yes:
        rows = [(found, "overwrites a stored row" if stored else "") for found, stored in outcome.shown]
        console.print(view.letter_table(rows, f"letters of {settings.origin.dead_letters} to replay"))
    for line, style in _lines(outcome, settings):
        console.print(line, style=style, soft_wrap=True, markup=False)


def _lines(outcome: Outcome, settings: DlqReplaySettings) -> Iterator[tuple[str, str]]:
    wanted = settings.replay
    return view.outcome_lines(outcome, to=wanted.to, done=wanted.yes, checked=wanted.check)
