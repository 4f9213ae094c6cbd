"""The runbook: a paragraph for everything that can wake somebody, and nothing in it that is not there."""

import re
from pathlib import Path

from support.alert_rules import rules
from support.log_events import events

from taosink.config import MODELS
from taosink.exits import Exit
from taosink.observe.catalogue import consumers, gateways
from taosink.observe.health import CODES
from taosink.settings.spec import specs_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
OURS = (
    "kafka",
    "write",
    "taos",
    "consumer",
    "dead_letters",
    "breaker",
    "ingress",
    "replies",
    "status",
    "worker",
    "process",
)


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules()]


def paragraph(heading: str) -> str:
    return TEXT.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]


def test_each_alert_has_its_paragraph_and_each_paragraph_its_alert() -> None:
    """By its name, so that the link of the alert leads there; it says what it means for the data."""
    told = [one for one in HEADINGS if one.startswith("Taosink")]
    assert sorted(told) == sorted(alerts())
    for name in told:
        text = paragraph(name)
        assert text.lstrip().startswith("**Data:**"), name
        assert "**Do:**" in text or name == "TaosinkConsumerUnhealthy" or "**Look and do:**" in text, name


def test_each_reason_has_its_paragraph_and_each_paragraph_its_reason() -> None:
    """Whatever /healthz can say of a consumer."""
    told = [one.removeprefix("Reason ") for one in HEADINGS if one.startswith("Reason ")]
    assert told == list(CODES)


def test_each_exit_code_has_its_paragraph() -> None:
    """Also what is not a code of taosink's."""
    told = [one.removeprefix("Exit code ") for one in HEADINGS if one.startswith("Exit code ")]
    assert told == [*(str(int(code)) for code in Exit), "137 and 143"]


def test_names_in_it_exist() -> None:
    """Alerts, metrics and log events."""
    assert set(re.findall(r"\bTaosink[A-Z]\w+", TEXT)) <= set(alerts())
    names = {one.name for one in (*consumers(), *gateways())}
    assert {re.sub(r"\{.*", "", one) for one in re.findall(r"`(taosink_[a-z_]+[^`]*)`", TEXT)} <= names
    told = {one for one in re.findall(r"`([a-z_]+\.[a-z_]+)`", TEXT) if one.partition(".")[0] in OURS}
    settings = {spec.name for model in MODELS.values() for spec in specs_of(model)}
    assert told - settings <= events().keys()
