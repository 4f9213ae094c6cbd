"""The TDengine that contract and integration tests run against: a real one if one is found, else embedded."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from taosink.embedded.database.server import running
from taosink.ports import Driver
from taosink.taos.address import Address, parse
from taosink.taos.drivers import DriverOptions, connect
from taosink.taos.errors import TaosError

VARIABLE = "TAOSINK_TEST_TAOS"
IMAGE = "tdengine/tdengine:3.3.6.0"
START_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class TaosUnderTest:
    """Where it is. `real` is false for the embedded database."""

    address: Address
    description: str
    real: bool

    def in_database(self, name: str) -> Address:
        return replace(self.address, database=name)

    def connect(self, database: str = "", options: DriverOptions | None = None) -> Driver:
        return connect(self.in_database(database), options)


class TaosMissingError(Exception):
    """This way of finding a TDengine does not work here; the text says why."""


@contextmanager
def found() -> Iterator[TaosUnderTest]:
    """The address in the environment, else a container, else a taosd on PATH, else the embedded database."""
    with ExitStack() as stack:
        uri = os.environ.get(VARIABLE)
        if uri:
            address = parse(uri)
            yield TaosUnderTest(address, f"TDengine at {address.shown} ({VARIABLE})", real=True)
            return
        for way in (_container, _taosd):
            with suppress(TaosMissingError):
                yield way(stack)
                return
        address = parse(stack.enter_context(running()))
        yield TaosUnderTest(address, f"the embedded database at {address.shown}", real=False)


def announce(config: pytest.Config, taos: TaosUnderTest) -> None:
    """Says in the report which TDengine the tests of this module run against."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None:
        return
    # What is printed in a fixture is captured, and shown only if the test fails.
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        reporter.ensure_newline()
        reporter.write_line(f"TDengine under test: {taos.description}")
        reporter.flush()


@contextmanager
def fresh_database(taos: TaosUnderTest, options: str = "PRECISION 'ms' KEEP 36500") -> Iterator[str]:
    """A database of its own, dropped afterwards; with empty options it is only named."""
    name = f"taosink_{uuid.uuid4().hex[:12]}"
    driver = taos.connect()
    try:
        if options:
            driver.execute(f"CREATE DATABASE {name} {options}")
        yield name
    finally:
        with suppress(TaosError):
            driver.execute(f"DROP DATABASE IF EXISTS {name}")
        driver.close()


def _container(stack: ExitStack) -> TaosUnderTest:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "version"], capture_output=True, check=False).returncode:
        raise TaosMissingError("no Docker engine answers")
    from testcontainers.core.container import DockerContainer

    try:
        container = stack.enter_context(DockerContainer(IMAGE).with_exposed_ports(6041))
    except Exception as error:  # docker's client raises its own, requests' and urllib3's
        raise TaosMissingError(f"the container of {IMAGE} did not start: {error}") from error
    address = Address("rest", container.get_container_host_ip(), int(container.get_exposed_port(6041)))
    _wait(address)
    return TaosUnderTest(address, f"TDengine ({IMAGE}) at {address.shown}", real=True)


def _taosd(stack: ExitStack) -> TaosUnderTest:
    server, adapter = shutil.which("taosd"), shutil.which("taosadapter")
    if server is None or adapter is None:
        raise TaosMissingError("no taosd and taosadapter on PATH")
    where = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taosd-")))
    native, rest = _free_port(), _free_port()
    for name in ("data", "log"):
        (where / name).mkdir()
    (where / "taos.cfg").write_text(
        f"fqdn localhost\nfirstEp localhost:{native}\nserverPort {native}\n"
        f"dataDir {where / 'data'}\nlogDir {where / 'log'}\n"
    )
    environment = os.environ | {"TAOS_ADAPTER_PORT": str(rest), "TAOS_ADAPTER_TAOS_CONFIG_DIR": str(where)}
    for command in ([server, "-c", str(where)], [adapter]):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(_end, process)
    address = Address("rest", "127.0.0.1", rest)
    _wait(address)
    return TaosUnderTest(address, f"taosd on PATH at {address.shown}", real=True)


def _wait(address: Address) -> None:
    deadline = time.monotonic() + START_SECONDS
    driver = connect(address, DriverOptions(connect_timeout=1, read_timeout=5))
    try:
        while not _answers(lambda: driver.query("SELECT SERVER_STATUS()")):
            if time.monotonic() > deadline:
                raise TaosMissingError(f"no answer at {address.shown} in {START_SECONDS:g} s")
            time.sleep(0.2)
    finally:
        driver.close()


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except TaosError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
