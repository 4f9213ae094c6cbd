"""The image: what it is built from, what it runs as, and how its health is asked for."""

import importlib.util
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from support.machine_tools import needed

from taosink import __version__
from taosink.config import MODELS
from taosink.settings.spec import specs_of

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deployments" / "docker"
DOCKERFILE = DOCKER / "Dockerfile"
REQUIREMENT = re.compile(r"^([a-z0-9._-]+)==(\S+)")


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its text, on one line."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text())
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def texts(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps it out: the last rule that matches it, or a directory above it, counts."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        rule = line.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        names = parts if "**/" in line else above
        if any(fnmatch(name, rule) and name.count("/") == rule.count("/") for name in names):
            out = not line.startswith("!")
    return out


def requirements(path: Path) -> dict[str, str]:
    """The pinned packages of a locked file, each with its lines."""
    found: dict[str, str] = {}
    name = ""
    for line in path.read_text().splitlines():
        if match := REQUIREMENT.match(line):
            name = match[1]
        if name and not line.strip().startswith("#"):
            found[name] = found.get(name, "") + line.strip().removesuffix("\\").strip() + "\n"
    return found


def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_healthcheck", DOCKER / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_copied_is_there_and_is_sent_to_the_engine() -> None:
    """A file that .dockerignore keeps out ends the build with a riddle."""
    copied = [word for rest in texts("COPY") if "--from" not in rest for word in rest.split()[:-1]]
    assert {"requirements.txt", "pyproject.toml", "cmd", "internal", "pkg"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert not ignored(path), path


@pytest.mark.parametrize(
    "path", [".git/config", ".env", ".venv/bin/python", "tests/conftest.py", "deployments/compose/proof.sh"]
)
def test_nothing_else_is_sent_to_the_engine(path: str) -> None:
    """Secrets least of all."""
    assert ignored(path)


@pytest.mark.parametrize("path", [ROOT / "requirements.txt", DOCKER / "requirements-build.txt"])
def test_every_requirement_has_its_hash(path: Path) -> None:
    """Otherwise what is built tomorrow may not be what was tested."""
    found = requirements(path)
    assert found
    for name, text in found.items():
        assert "--hash=sha256:" in text, name
    installs = [rest for rest in texts("RUN") if path.name in rest]
    assert installs
    assert all("--require-hashes" in rest for rest in installs)


def test_the_wheel_is_built_with_what_developers_build_with() -> None:
    """Where this fails, take the entries of requirements-dev.txt over."""
    ours, developers = (
        requirements(DOCKER / "requirements-build.txt"),
        requirements(ROOT / "requirements-dev.txt"),
    )
    assert "hatchling" in ours
    for name, text in ours.items():
        assert text == developers[name]


def test_the_version_is_the_one_of_the_package() -> None:
    """The label cannot read it; the build compares it with the wheel."""
    versions = [rest for rest in texts("ARG") if rest.startswith("VERSION=")]
    assert versions == [f"VERSION={__version__}"] * 2


def test_the_base_is_pinned_to_patch_and_system() -> None:
    """And TDengine's image stands there only where its version is asked for."""
    (python,) = [rest for rest in texts("ARG") if rest.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=3\.1\d\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", python)
    build, client, final = texts("FROM")
    assert build.startswith("python:${PYTHON} ")
    assert final == "python:${PYTHON}"
    assert client.startswith("${TDENGINE_VERSION:+tdengine/tdengine:}${TDENGINE_VERSION:-python:${PYTHON}} ")
    assert 'TDENGINE_VERSION=""' in texts("ARG")


def test_both_builders_take_it() -> None:
    """The classic one knows no mounts, and a syntax line would have an image fetched."""
    text = DOCKERFILE.read_text()
    assert "# syntax=" not in text.replace("`# syntax=`", "")
    assert "RUN --mount" not in re.sub(r"(?m)^#.*$", "", text)


def test_the_image_is_nobody_and_has_no_tools() -> None:
    """A numeric user, so that an orchestrator sees it; tini first; nothing that builds in the last stage."""
    stage = last_stage()
    assert [rest for word, rest in stage if word == "USER"] == ["10001:10001"]
    assert stage[-2:] == [("ENTRYPOINT", '["tini", "--", "taosink"]'), ("CMD", '["--help"]')]
    runs = " ".join(rest for word, rest in stage if word == "RUN")
    assert not re.search(r"\bpip\b|gcc|build-essential|curl", runs)


def test_its_ports_are_those_of_the_listeners() -> None:
    """Consumer, devices by TCP and HTTP, operators."""
    defaults = {spec.name: spec.default for model in MODELS.values() for spec in specs_of(model)}
    names = ("ingress.tcp-listen", "ingress.http-listen", "ingress.admin-listen")
    assert texts("EXPOSE") == [" ".join(["9464", *(defaults[n].rpartition(":")[2] for n in names)])]
    assert any(rest.endswith("TAOSINK_STATUS_LISTEN=0.0.0.0:9464") for rest in texts("ENV"))


def test_hadolint_has_no_objection() -> None:
    """Nor to the Dockerfiles of the images that stand in for official ones."""
    hadolint = Path(sys.prefix) / "bin" / "hadolint"
    program = str(hadolint) if hadolint.exists() else needed("hadolint")
    files = [DOCKERFILE, *sorted((ROOT / "deployments" / "compose").rglob("Dockerfile"))]
    assert len(files) == 3
    done = subprocess.run(
        [program, *map(str, files)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


# The healthcheck


@pytest.mark.parametrize(
    ("line", "environ", "address"),
    [
        ("tini -- taosink consumer", {"TAOSINK_STATUS_LISTEN": "0.0.0.0:9464"}, ("127.0.0.1", 9464)),
        (
            "/usr/bin/tini -- /opt/taosink/bin/taosink consumer",
            {"TAOSINK_STATUS_LISTEN": ":1"},
            ("127.0.0.1", 1),
        ),
        ("docker-init -- tini -- taosink consumer", {"TAOSINK_STATUS_LISTEN": "[::]:7"}, ("::1", 7)),
        ("taosink consumer --status.listen 10.0.0.1:5 -worker 2", {}, ("10.0.0.1", 5)),
        (
            "taosink consumer -status.listen=[::1]:5",
            {"TAOSINK_STATUS_LISTEN": "0.0.0.0:9464"},
            ("::1", 5),
        ),
        ("tini -- taosink ingress --topic t", {}, ("127.0.0.1", 8081)),
        (
            "tini -- taosink ingress",
            {"TAOSINK_INGRESS_ADMIN_LISTEN": "0.0.0.0:81", "TAOSINK_STATUS_LISTEN": ":1"},
            ("127.0.0.1", 81),
        ),
        ("tini -- taosink consumer", {}, None),
        ("tini -- taosink consumer --status.listen=", {"TAOSINK_STATUS_LISTEN": "0.0.0.0:9464"}, None),
        ("tini -- taosink producer", {"TAOSINK_STATUS_LISTEN": "0.0.0.0:9464"}, None),
        ("tini -- taosink", {}, None),
        ("/bin/sh -c sleep", {}, None),
    ],
)
def test_where_the_health_is_asked_for(
    line: str, environ: Mapping[str, str], address: tuple[str, int] | None
) -> None:
    """At the listener of the command that runs; a command without one is healthy while it runs."""
    assert healthcheck().address_of(line.split(), environ) == address


def test_the_healthcheck_knows_the_settings_by_their_names() -> None:
    """And their defaults."""
    module = healthcheck()
    for command, name in module.LISTENERS.items():
        (spec,) = [spec for spec in specs_of(MODELS[command]) if spec.name == name]
        assert module.DEFAULTS[name] == spec.default


@contextmanager
def answering(status: int, asked: list[str]) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"a loop has not beaten")

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "alive"), [(200, True), (503, False), (404, False), (401, False)])
def test_only_200_is_alive(status: int, alive: bool) -> None:
    """And the answer is told, so that `docker inspect` shows it."""
    asked: list[str] = []
    with answering(status, asked) as number:
        found, answer = healthcheck().ask("127.0.0.1", number)
    assert found is alive
    assert str(status) in answer
    assert "a loop has not beaten" in answer
    assert asked == ["/livez"]


@pytest.mark.parametrize(("line", "code"), [("tini\0--\0taosink\0init\0", 0), ("taosink\0consumer\0", 1)])
def test_its_exit_code(
    line: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 where there is nothing to ask, 1 where nobody answers."""
    module = healthcheck()
    with answering(200, []) as number:
        gone = number
    monkeypatch.setenv("TAOSINK_STATUS_LISTEN", f"127.0.0.1:{gone}")

    class Line:
        def read_bytes(self) -> bytes:
            return line.encode()

    real: type[Path] = module.Path
    monkeypatch.setattr(module, "Path", lambda path: Line() if path == "/proc/1/cmdline" else real(path))
    assert module.main() == code
    assert capsys.readouterr().out.startswith("no answer at" if code else "it runs")


def test_the_stages_stand_in_the_order_that_the_classic_builder_needs() -> None:
    """It makes each one before its target; the last one is the image."""
    stages: Sequence[str] = [rest.partition(" AS ")[2] for rest in texts("FROM")]
    assert stages == ["build", "client", ""]
