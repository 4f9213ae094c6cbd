"""The alerts: what they ask for exists, and their own tests would notice each of them broken."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from support.alert_rules import PROMETHEUS, rules
from support.promql import problems, promtool

SEVERITIES = {"critical", "warning", "info"}


@pytest.mark.parametrize("alert", rules(), ids=lambda a: a["alert"])
def test_an_alert_is_whole(alert: dict[str, Any]) -> None:
    """It asks for metrics, labels and values that are exposed; says how bad it is, what it means, where to read on."""
    assert problems(alert["expr"]) == []
    assert alert["labels"]["severity"] in SEVERITIES
    told = alert["annotations"]
    assert told["summary"]
    assert not told["summary"].endswith(".")
    assert told["description"].endswith(".")
    assert told["runbook_url"] == f"docs/RUNBOOK.md#{alert['alert'].lower()}"
    assert re.fullmatch(r"Taosink[A-Z][A-Za-z]+", alert["alert"])


def test_what_is_asked_for_in_vain_is_noticed() -> None:
    """A metric, a label and a value that nobody exposes, and a grouping by what is not there."""
    assert problems("taosink_lag > 0") == ["taosink_lag is exposed by nobody"]
    assert problems('taosink_lag_records{group="g"}') == ["taosink_lag_records has no label group"]
    assert problems('taosink_partitions{state="halted"}') == ["taosink_partitions: state is never halted"]
    assert problems("sum by (job, device) (taosink_ready)") == ["no metric of it has device"]
    assert problems("vector(1)") == ["no metric is asked for"]


def test_prometheus_takes_the_configuration() -> None:
    """And the rules that it names."""
    said = promtool("check", "config", "prometheus.yml", cwd=PROMETHEUS)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(rules())} rules found" in said.stdout


def test_each_container_of_a_service_is_asked() -> None:
    """By the jobs that the alerts know, where compose has them."""
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    found = {one["job_name"]: one["dns_sd_configs"][0] for one in scraped if "dns_sd_configs" in one}
    assert {job: (one["names"], one["type"], one["port"]) for job, one in found.items()} == {
        "consumer": (["consumer"], "A", 9464),
        "ingress": (["ingress"], "A", 8081),
    }
    jobs = {
        job
        for rule in rules()
        for text in re.findall(r'job=~?"([^"]*)"', rule["expr"])
        for job in text.split("|")
    }
    assert jobs == found.keys()


def test_the_alerts_fire_when_they_should() -> None:
    """As alerts.test.yml says: each does, and does not where it looks alike."""
    said = promtool("test", "rules", "alerts.test.yml", cwd=PROMETHEUS)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda rule: rule | {"expr": f"({rule['expr']}) unless ({rule['expr']})"}, id="never"),
        pytest.param(lambda rule: rule | {"expr": "vector(1)", "for": "0s"}, id="always"),
    ],
)
def test_an_alert_that_is_broken_is_noticed(
    broken: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path
) -> None:
    """One that never fires, and one that always does: by a test of its own, for every alert."""
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text(encoding="utf-8"))
    files = []
    for rule in rules():
        name = rule["alert"]
        group = {"name": name, "rules": [broken(rule)]}
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
        own = [one for one in tests["tests"] if f'"{name}"' in str(one["promql_expr_test"])]
        text = yaml.safe_dump(tests | {"rule_files": [f"{name}.yml"], "tests": own})
        (tmp_path / f"{name}.test.yml").write_text(text, encoding="utf-8")
        files.append(f"{name}.test.yml")
    said = promtool("test", "rules", *files, cwd=tmp_path)
    assert said.returncode != 0
    failed = set(re.findall(r'expr: "ALERTS\{alertname=\\?"(\w+)', said.stdout + said.stderr))
    assert failed == {rule["alert"] for rule in rules()}
