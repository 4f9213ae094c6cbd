"""What the documents name exists: commands, flags, variables, settings, files and headings."""

import re
from pathlib import Path

import pytest
from support.document_commands import codes, head_comment, lines_of
from support.log_events import events

from taosink.config import MODELS, known_names, known_variables
from taosink.settings.spec import specs_of

ROOT = Path(__file__).parents[2]
COMPOSE = "docker-compose.yml"
DOCUMENTS = (
    "README.md",
    *(f"docs/{name}.md" for name in ("OPERATIONS", "RUNBOOK", "INGRESS", "PROTOCOL", "DESIGN")),
    *(f"docs/{name}.md" for name in ("LOGS", "METRICS")),
    "examples/README.md",
    "deployments/kubernetes/README.md",
    COMPOSE,
)
NO_SETTINGS = frozenset(
    {
        # Kafka's own.
        *(
            "group.consumer.migration.policy",
            "min.insync.replicas",
            "offsets.retention.minutes",
            "retention.ms",
        ),
        # Actions of devices.
        *("command.result", "connect.response", "settings.get"),
    }
)
FOREIGN_FLAGS = frozenset({"no-deps"})
"""docker-compose's."""
FORM = {"flag": "a.b-c", "variable": "TAOSINK_A_B_C"}
"""By which the README tells how a setting's names are made."""
FOREIGN_VARIABLES = frozenset({"TAOSINK_INGRESS_PORT", "TAOSINK_TEST_KAFKA", "TAOSINK_TEST_TAOS"})
"""What Kubernetes would make of a service of this name, and what the tests read."""
PLACES = ("cmd", "deployments", "examples", "internal", "pkg", "tests")
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)]*)?\)")
_VARIABLE = re.compile(r"\bTAOSINK_[A-Z_]+\b")
_DOTTED = re.compile(r"[a-z]+(\.[a-z-]+)+")
_FILE = re.compile(r"[\w.-]+\.(py|ya?ml|toml|env)")


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


@pytest.fixture
def text(document: Path) -> str:
    found = document.read_text(encoding="utf-8")
    return head_comment(found) if document.name == COMPOSE else found


def test_every_command_line_is_one(text: str) -> None:
    """Its command is there, and has its flags."""
    assert [fault for line in lines_of(text) for fault in line.faults()] == []


def test_every_variable_exists(text: str) -> None:
    assert set(_VARIABLE.findall(text)) <= {
        *known_variables(),
        "TAOSINK_CONFIG",
        FORM["variable"],
        *FOREIGN_VARIABLES,
    }


def test_every_flag_that_stands_alone_is_one(text: str) -> None:
    flags = {
        word.lstrip("-").partition("=")[0]
        for code in codes(text)
        if code.startswith("--")
        for word in code.split()
        if word.startswith("--")
    }
    known = {flag for model in MODELS.values() for spec in specs_of(model) for flag in spec.flags}
    assert flags <= known | {"config", FORM["flag"]} | FOREIGN_FLAGS


def test_every_setting_exists(text: str) -> None:
    """Whatever looks like one is one, or an event, a file, a name that is known to be neither."""
    dotted = {word for code in codes(text) if _DOTTED.fullmatch(word := code.partition(" ")[0])}
    unknown = dotted - known_names().keys() - events().keys() - NO_SETTINGS - {FORM["flag"]}
    assert {name for name in unknown if not _FILE.fullmatch(name)} == set()


def test_every_file_exists(text: str) -> None:
    """Those that are named without their folder."""
    named = {code for code in codes(text) if _FILE.fullmatch(code)}
    there = {path.name for place in PLACES for path in (ROOT / place).rglob("*.*")}
    assert named <= there | {path.name for path in ROOT.iterdir()}


def test_every_link_leads_somewhere(document: Path, text: str) -> None:
    for target, anchor in _LINK.findall(text):
        if "://" in target:
            continue
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor[1:] in slugs, (target, anchor)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("taosink comsumer --topic t", "no command: comsumer --topic t"),
        ("taosink dlq lost", "no command: dlq lost"),
        ("taosink audit ... --tpic t", "--tpic"),
        ("cat x | time taosink send --topic t --json", "--json"),
        ("TAOSINK_TOPIC=t taosink doctor --names", "--names"),
        ("kubectl exec pod -- taosink init --replicas 3", "--replicas"),
        ("docker-compose run --rm --no-deps consumer audit --yes", "--yes"),
        ("taosink offsets show --topic", "--topic"),
        ("taosink doctor here", "here"),
    ],
)
def test_a_mistake_is_noticed(line: str, fault: str) -> None:
    """In a block, and between backticks."""
    for written in (
        f"```console\n$ {line}   # a comment\n```\n",
        f"  ```\n  $ {line} > file\n  ```\n",
        f"See `{line}`.",
    ):
        [found] = lines_of(written)
        assert fault in "".join(found.faults())


@pytest.mark.parametrize(
    "line",
    [
        "docker-compose run --rm keys 'cat token'",
        "printf %s taosink > name",
        "docker-compose up consumer",
        "ls taosink",
    ],
)
def test_what_starts_something_else_is_passed_over(line: str) -> None:
    """By its first word, not because `taosink` stands in it."""
    assert lines_of(f"`{line}`, or\n```\n$ {line}\n```\n") == []


def test_the_documents_have_command_lines() -> None:
    """Where they are read wrongly none would be found, and nothing be wrong."""
    found = {name: len(lines_of((ROOT / name).read_text(encoding="utf-8"))) for name in DOCUMENTS}
    assert found["README.md"] >= 10
    assert found["docs/RUNBOOK.md"] >= 20
    assert found["deployments/kubernetes/README.md"] >= 3
    assert len(lines_of(head_comment((ROOT / COMPOSE).read_text(encoding="utf-8")))) == 3
