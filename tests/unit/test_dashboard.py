"""The dashboard: what the script makes, what Grafana needs, and that there is something to show."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from support.alert_rules import PROMETHEUS, rules
from support.promql import problems, promtool

from taosink.observe.catalogue import consumers, gateways

HERE = Path(__file__).parents[2] / "deployments" / "grafana"
DOCUMENT = HERE / "dashboards" / "taosink.json"
NOT_SHOWN = {
    # Kept for a question that comes up; nobody watches them.
    "taosink_ingress_connections_accepted_total",
    "taosink_ingress_events_total",
    "taosink_ingress_auth_total",
    "taosink_ingress_presence_total",
    "taosink_ingress_segments_total",
    "taosink_ingress_other_total",
    "taosink_ingress_commands_open",
    "taosink_ingress_http_requests_in_flight",
    "taosink_ingress_http_request_seconds",
}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def expressions(dashboard: dict[str, Any]) -> dict[str, str]:
    """Each with a name to find it by, its variables filled in as Grafana does for `All`."""
    found = {
        f"{panel['id']}{target['refId']} {panel['title']}": target["expr"]
        for panel in panels(dashboard)
        for target in panel["targets"]
    }
    found |= {f"annotation {one['name']}": one["expr"] for one in dashboard["annotations"]["list"]}
    return {name: filled(text) for name, text in found.items()}


def filled(text: str) -> str:
    for variable in ("job", "instance", "topic", "gateway", "group"):
        text = text.replace(f"${variable}", ".*")
    return text.replace("$__rate_interval", "5m").replace("$__range", "1h")


def test_the_document_is_what_the_script_makes() -> None:
    """Where this fails, `python deployments/grafana/generate.py` writes it anew."""
    made = subprocess.run(
        [sys.executable, str(HERE / "generate.py"), "-"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert DOCUMENT.read_text(encoding="utf-8") == made.stdout


def test_grafana_has_what_it_needs(dashboard: dict[str, Any]) -> None:
    """Its own numbers and places, a source that can be chosen, a text on each panel."""
    every = dashboard["panels"]
    assert dashboard["uid"] == dashboard["title"] == "taosink"
    assert dashboard["schemaVersion"] >= 36
    assert len({panel["id"] for panel in every}) == len(every)
    source = dashboard["templating"]["list"][0]
    assert (source["type"], source["name"], source["query"]) == ("datasource", "datasource", "prometheus")
    used = [
        *panels(dashboard),
        *(t for p in panels(dashboard) for t in p["targets"]),
        *dashboard["annotations"]["list"],
    ]
    used += [v for v in dashboard["templating"]["list"] if v["type"] == "query"]
    assert {json.dumps(one["datasource"]) for one in used} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }
    titles = [row["title"] for row in every if row["type"] == "row"]
    assert len(set(titles)) == len(titles) == 8
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"]) > 0


def test_no_panel_lies_on_another(dashboard: dict[str, Any]) -> None:
    """Each place is taken once, and within the width."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_expression_asks_for_what_there_is(dashboard: dict[str, Any]) -> None:
    """Metrics, labels and values; also of the variables."""
    found = {name: problems(text) for name, text in expressions(dashboard).items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            inner, label = (
                variable["definition"].removeprefix("label_values(").removesuffix(")").rsplit(",", 1)
            )
            assert problems(f"sum by ({label.strip()}) ({filled(inner)})") == [], variable["name"]


def test_every_expression_is_promql(dashboard: dict[str, Any], tmp_path: Path) -> None:
    """By Prometheus' own parser."""
    rules = [{"record": f"x:{n}", "expr": text} for n, text in enumerate(expressions(dashboard).values())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    said = promtool("check", "rules", "rules.yml", cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(rules)} rules found" in said.stdout


def test_what_is_measured_is_shown(dashboard: dict[str, Any]) -> None:
    """A metric that is added finds its place, or its name in the list above."""
    text = " ".join(expressions(dashboard).values())
    names = {one.name for one in (*consumers(), *gateways())}
    assert {name for name in names if name not in text} == NOT_SHOWN


def test_links_lead_to_alerts(dashboard: dict[str, Any]) -> None:
    """Each alert that is no matter of the process's being there stands at a panel."""
    alerts = {rule["alert"].lower() for rule in rules()}
    linked = {
        link["url"].rpartition("#")[2] for panel in panels(dashboard) for link in panel.get("links", ())
    }
    assert linked <= alerts
    assert alerts - linked == {
        "taosinkrestarting",
        "taosinkconsumersabsent",
        "taosinknoprogress",
        "taosinkgatewaydown",
    }


def test_grafana_finds_it() -> None:
    """The source by the name that compose gives Prometheus, the dashboards where compose mounts them."""
    sources = yaml.safe_load((HERE / "provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    (source,) = sources["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((HERE / "provisioning/dashboards/taosink.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


def test_the_script_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    """And writes nothing then."""
    spec = importlib.util.spec_from_file_location("dashboard_generate", HERE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        assert module.main(["--help"]) == 2
    finally:
        del sys.modules[spec.name]
    assert capsys.readouterr().err.startswith("usage:")
