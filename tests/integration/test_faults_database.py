"""What a consumer at work does when its database fails: it waits, loses nothing, dead-letters nothing, goes on."""

import http.server
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.chaos.stage import Stage, stage
from support.consumer_process import ConsumerProcess
from support.kafka_broker import KafkaUnderTest

from taosink.embedded.database.server import running

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def scene(kafka: KafkaUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(kafka, tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture(scope="module")
def worker(scene: Stage) -> Iterator[ConsumerProcess]:
    """One consumer for all faults, one after another: that it goes on after each is the point."""
    with scene.consumer(taos__timeout="1s", worker="2") as process:
        scene.send(10)
        process.until(lambda: scene.all_stored)
        yield process
        assert process.stop() == 0, process.last_words()
        assert scene.letters() == []
        assert scene.committed == scene.sent * scene.partitions


@pytest.fixture
def at_work(worker: ConsumerProcess) -> ConsumerProcess:
    """The same consumer, its earlier log lines forgotten."""
    worker.events.clear()
    return worker


def cause(worker: ConsumerProcess, level: str = "warning") -> str:
    """Why rows wait, once that is said; a warning where it ends by itself."""
    waiting = worker.event("write.waiting")
    assert waiting["level"] == level, waiting
    return str(waiting["cause"])


def goes_on(scene: Stage, worker: ConsumerProcess) -> None:
    """More readings, and all that were ever sent are stored."""
    scene.send(20)
    worker.until(lambda: scene.all_stored, what="everything stored")


def test_reset_in_mid_answer(scene: Stage, at_work: ConsumerProcess) -> None:
    """The statement may have been stored: it is sent again, and merges. First of all, because a cause that was
    told is not told again for half a minute."""
    scene.proxy.reset_answer_after(20)
    scene.send(50)
    assert "may have been stored" in cause(at_work)
    scene.proxy.restore()
    at_work.event("write.resumed")
    goes_on(scene, at_work)


def test_killed_and_started_again(scene: Stage, at_work: ConsumerProcess) -> None:
    """Connections refused for a while, and known subtables that must still be right afterwards. A connection that
    was open breaks first, where the next statement meets it; either is an outage."""
    scene.database.stop(signal.SIGKILL)
    scene.send(50)
    found = cause(at_work)
    scene.database.start()
    assert "no connection" in found or "connection broke" in found
    at_work.event("write.resumed")
    goes_on(scene, at_work)


def test_frozen(scene: Stage, at_work: ConsumerProcess) -> None:
    """It takes statements and answers none for longer than the timeout."""
    scene.database.send(signal.SIGSTOP)
    scene.send(50)
    found = cause(at_work)
    scene.database.send(signal.SIGCONT)
    assert "in time" in found
    at_work.event("write.resumed")
    goes_on(scene, at_work)


def test_slow(scene: Stage, at_work: ConsumerProcess) -> None:
    """Half a second for each statement: it takes longer, and nothing else happens."""
    scene.proxy.delay = 0.25
    scene.send(50)
    goes_on(scene, at_work)
    scene.proxy.restore()
    assert "write.waiting" not in at_work.events


def test_an_adapter_that_says_503(scene: Stage, at_work: ConsumerProcess) -> None:
    """An answer without a number of TDengine's, from what stands before it: an outage, no poison."""
    scene.database.stop()
    with answering(scene.database.port, 503, b""):
        scene.send(50)
        assert "HTTP 503" in cause(at_work)
    scene.database.start()
    at_work.event("write.resumed")
    goes_on(scene, at_work)


def test_a_full_disk(scene: Stage, at_work: ConsumerProcess) -> None:
    """ERROR, since somebody has to make room; the rows wait, and go on by themselves when there is some."""
    scene.database.stop()
    with answering(scene.database.port, 200, b'{"code": 297, "desc": "No enough disk space"}'):
        scene.send(50)
        assert "0x0129" in cause(at_work, "error")
    scene.database.start()
    at_work.event("write.resumed")
    goes_on(scene, at_work)


@pytest.mark.parametrize(
    "ddl",
    [
        pytest.param("ALTER STABLE stb DROP COLUMN col2", id="column"),
        pytest.param("DROP STABLE stb", id="supertable"),
        pytest.param("DROP DATABASE faults", id="database"),
    ],
)
def test_dropped_under_the_writer(scene: Stage, at_work: ConsumerProcess, ddl: str) -> None:
    """A column, the supertable, the database: with schema.create it is made again, and what comes is stored."""
    at_work.until(lambda: scene.committed == scene.sent * scene.partitions)
    scene.execute(ddl)
    if "COLUMN" not in ddl:
        scene.gone = scene.sent
    before = scene.stored
    scene.send(20, 1.0, 2, "col2")
    at_work.until(
        lambda: scene.query("SELECT COUNT(*) FROM stb WHERE col2 = 'col2'") == [[20 * scene.partitions]],
        what="what was sent after the drop",
    )
    assert scene.stored == before + 20 * scene.partitions


def test_a_password_that_was_changed(kafka: KafkaUnderTest, scene: Stage, worker: ConsumerProcess) -> None:
    """ERROR, with what to mend; it stays up, touches no data, and stops in time with work pending; what waited is
    stored by the next one that has the password."""
    del worker
    with stage(kafka, scene.database.file.parent / "password", partitions=1) as own:
        with own.consumer() as process:
            own.send(10)
            process.until(lambda: own.committed == 10)
            own.database.stop()
            with running(f"127.0.0.1:{own.database.port}", own.database.file, users={"root": "another"}):
                own.send(10)
                assert "0x0357" in cause(process, "error")
                assert process.stop() == 3
        own.database.start()
        with own.consumer() as process:
            process.until(lambda: own.all_stored)
        assert own.letters() == []


@contextmanager
def answering(port: int, status: int, body: bytes) -> Iterator[None]:
    """A server at this port that answers so to everything."""

    class Always(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Always)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
