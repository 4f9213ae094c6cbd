"""The native driver over a scripted libtaos: numbers, threads, and calls that block."""

import ctypes.util
import time
from pathlib import Path

import pytest
from support import libtaos_standin
from support.libtaos_standin import run

from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import CLASS_OF, ErrorClass, Local, TaosError


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if libtaos_standin.compiler() is None:
        print("skipped: no C compiler (cc) to build the scripted libtaos with")  # noqa: T201 - told in the report
        pytest.skip("needs a C compiler (cc)")
    return libtaos_standin.build(tmp_path_factory.mktemp("libtaos"))


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without libtaos starts, and is told to install it or to use REST."""
    if ctypes.util.find_library("taos"):
        pytest.skip("this machine has libtaos")
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    driver = connect(parse("taos://root:Secret1@h:6030/db"))
    try:
        with pytest.raises(TaosError) as caught:
            driver.execute("x")
    finally:
        driver.close()
    assert (caught.value.code, caught.value.kind) == (Local.LIBRARY, ErrorClass.FATAL)
    assert "libtaos" in str(caught.value)
    assert "REST" in str(caught.value)
    assert "Secret1" not in str(caught.value)


def test_statements_and_answers(library: Path) -> None:
    """Bytes and text are run, affected rows come back, a query gives names and rows."""
    report = run(
        library,
        """
d = driver()
report["affected"] = [d.execute(b"INSERT PLAY rows 7"), d.execute("INSERT PLAY rows 8")]
result = d.query("SELECT 1")
report["query"] = [list(result.columns), [list(row) for row in result.rows]]
report["connections"] = d.execute("PLAY connections")
report["repr"] = repr(d)
d.close()
d.close()
""",
    )
    assert report["affected"] == [7, 8]
    assert report["query"] == [["name", "n"], [["db", 42]]]
    assert report["connections"] == 1
    assert report["repr"] == "<NativeDriver taos://root@h:6030/db up>"


def test_every_number_is_classified_by_its_low_16_bits(library: Path) -> None:
    """libtaos counts 0x8000NNNN as a negative int: each listed number comes out with its class."""
    report = run(
        library,
        """
from taosink.taos.errors import CLASS_OF
d = driver()
report["classes"] = {
    str(code): failure(lambda: d.execute(f"INSERT PLAY error {code:#06x}"))[:2]
    for code in CLASS_OF if code <= 0xFFFF
}
report["unknown"] = failure(lambda: d.execute("INSERT PLAY error 0x7abc"))[:2]
d.close()
""",
    )
    expected = {str(code): [code, kind.value] for code, kind in CLASS_OF.items() if code <= 0xFFFF}
    assert report["classes"] == expected
    assert report["unknown"] == [0x7ABC, "unknown"]


@pytest.mark.parametrize(
    ("code", "kind"), [(0x0357, "fatal"), (0x000B, "unavailable"), (0x0015, "unavailable")]
)
def test_a_connection_that_fails_is_classified_by_number(library: Path, code: int, kind: str) -> None:
    """taospy raises another class for it: that does not count."""
    report = run(
        library, f"report['failure'] = failure(lambda: driver(host='fail-{code:#06x}').execute('x'))"
    )
    assert report["failure"][:2] == [code, kind]


def test_a_wrong_password_is_fatal_and_not_shown(library: Path) -> None:
    """The message names the server and the user, never the password."""
    report = run(library, "report['failure'] = failure(lambda: driver(password='Secret1').execute('x'))")
    assert report["failure"][:2] == [0x0357, "fatal"]
    assert "Secret1" not in report["failure"][2]


def test_the_stale_code_of_a_real_server(library: Path) -> None:
    """After one 0x061D an out-of-range row answers 0x061D: both are poison, so halving decides."""
    report = run(
        library,
        """
d = driver()
report["before"] = failure(lambda: d.execute("INSERT PLAY error 0x060b"))[:2]
report["first"] = failure(lambda: d.execute("INSERT PLAY error 0x061d"))[:2]
report["after"] = failure(lambda: d.execute("INSERT PLAY error 0x060b"))[:2]
d.close()
""",
    )
    assert report == {
        "before": [0x060B, "poison"],
        "first": [0x061D, "poison"],
        "after": [0x061D, "poison"],
    }


def test_workers_run_in_parallel_during_a_call(library: Path) -> None:
    """The GIL is free inside libtaos: four blocked calls overlap, and Python goes on beside them."""
    report = run(
        library,
        """
ticks = 0
threads = [threading.Thread(target=lambda: driver().execute("INSERT PLAY block 400")) for _ in range(4)]
begun = time.monotonic()
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    ticks += 1
    time.sleep(0.005)
report["seconds"] = time.monotonic() - begun
report["ticks"] = ticks
report["peak"] = driver().execute("PLAY peak")
""",
    )
    assert report["peak"] == 4
    assert report["seconds"] < 1.2
    assert report["ticks"] > 10


def test_a_call_that_blocks_and_fails_gives_the_number_and_the_connection_is_made_anew(library: Path) -> None:
    """A dead server blocks each call and then answers 0x0020; the handle is given up after it."""
    report = run(
        library,
        """
d = driver()
d.execute("x")
report["failure"] = failure(lambda: d.execute("INSERT PLAY block 300 0x0020"))
report["repr"] = repr(d)
report["connections"] = d.execute("PLAY connections")
""",
    )
    assert report["failure"][:2] == [0x0020, "unavailable"]
    assert report["repr"].endswith(" down>")
    assert report["connections"] == 2


def test_a_frozen_call_succeeds_in_the_end(library: Path) -> None:
    """A server that was frozen answers late, and the statement counts."""
    report = run(library, "report['affected'] = driver().execute('INSERT PLAY block 300')")
    assert report["affected"] == 0


def test_closing_under_a_blocked_call_leaves_it_alone_and_the_process_can_end(library: Path) -> None:
    """A call that does not return is left behind on its daemon thread; its handle is not freed under it."""
    begun = time.monotonic()
    report = run(
        library,
        """
d, other = driver(), driver()
threading.Thread(target=lambda: d.execute("INSERT PLAY block 40000"), daemon=True).start()
while other.execute("PLAY peak") < 2:
    time.sleep(0.005)
d.close()
report["violations"] = other.execute("PLAY violations")
other.close()
""",
    )
    assert report["violations"] == 0
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("database", ["late", "missing"])
def test_a_missing_database_is_no_failed_connection(library: Path, database: str) -> None:
    """As over REST: it connects without it, so that it can be created, and uses it once it is there."""
    report = run(
        library,
        f"""
d = driver(database={database!r})
report["qualified"] = d.execute("INSERT PLAY rows 3")
report["unqualified"] = failure(lambda: d.execute("UNQUALIFIED"))
d.execute("CREATE DATABASE late")
report["later"] = failure(lambda: d.execute("UNQUALIFIED"))
d.close()
""",
    )
    assert report["qualified"] == 3
    assert report["unqualified"][0] == 0x0200
    assert (report["later"] is None) == (database == "late")


def test_a_stop_does_not_wait_for_a_blocked_call_beyond_its_deadline(library: Path) -> None:
    """Two workers inside calls that take 40 s: the pool names them when its deadline passes, and all ends."""
    begun = time.monotonic()
    report = run(
        library,
        """
import time
from taosbatch.batch import Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool

class Handler:
    def __init__(self, index):
        self.driver = driver()
    def __call__(self, batch):
        self.driver.execute(b"INSERT PLAY block 40000")
    def close(self):
        self.driver.close()

queue = BatchQueue(BatchRule(max_records=1, linger=0.0), 1000, 1000, 2)
tracker = OffsetTracker()
lanes = [Lane("t", p) for p in range(2)]
tracker.assign(lanes)
for lane in lanes:
    queue.put(Chunk(lane, [b"v"], [None], tracker.open(lane, 0, 1, 1), 1))
pool = WorkerPool(queue, Handler, 2, on_error=lambda *args: None)
pool.start()
other = driver()
while other.execute("PLAY peak") < 3:
    time.sleep(0.005)
started = time.monotonic()
pool.abandon()
report["stuck"] = sorted(pool.join(started + 0.5))
report["seconds"] = time.monotonic() - started
""",
    )
    assert report["stuck"] == ["worker-0", "worker-1"]
    assert report["seconds"] < 5
    assert time.monotonic() - begun < 30
