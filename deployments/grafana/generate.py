"""Writes dashboards/taosink.json: `python deployments/grafana/generate.py`; with `-` to standard output.

Plain dictionaries in Grafana's own form. What is shown stands in panels.toml, how it is shown here.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE / "dashboards" / "taosink.json"
WIDTH = 24
STAT = 4
CHOSEN = {
    "CONSUMER": 'job=~"$job",instance=~"$instance"',
    "TOPIC": 'job=~"$job",instance=~"$instance",topic=~"$topic"',
    "GATEWAY": 'instance=~"$gateway"',
    "RATE": "$__rate_interval",
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """As panels.toml has it."""

    title: str
    about: str
    shows: dict[str, str]
    form: str = "timeseries"
    unit: str = "short"
    limits: Sequence[tuple[float, str]] = ()
    alert: str = ""
    stacked: bool = False
    width: int = 8
    height: int = 8


def rows() -> Iterator[tuple[str, list[Panel]]]:
    """Each row's title and panels."""
    found = tomllib.loads((HERE / "panels.toml").read_text(encoding="utf-8"))
    for row in found["row"]:
        yield row["title"], [Panel(**size(one), **one) for one in row["panel"]]


def size(panel: Json) -> Json:
    return {"width": STAT, "height": STAT} if panel.get("form") == "stat" else {}


def expression(text: str) -> str:
    for name, meaning in CHOSEN.items():
        text = text.replace(name, meaning)
    return text


def dashboard() -> Json:
    """The whole of it, for Grafana 10 and later."""
    return {
        "uid": "taosink",
        "title": "taosink",
        "description": "Consumers and gateways of taosink: what they did with every record, and how they are.",
        "tags": ["taosink"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables()},
        "annotations": {"list": [restarts()]},
        "links": [
            {
                "title": "Runbook",
                "type": "link",
                "icon": "doc",
                "url": "${runbook}",
                "targetBlank": True,
                "asDropdown": False,
                "includeVars": False,
                "keepTime": False,
                "tags": [],
                "tooltip": "What to do",
            }
        ],
        "panels": list(laid_out(rows())),
    }


def variables() -> list[Json]:
    """Where the data comes from, and whose. Members are chosen by their group; gateways by themselves."""
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {},
            "hide": 0,
            "includeAll": False,
            "multi": False,
            "options": [],
            "refresh": 1,
            "regex": "",
            "skipUrlSync": False,
        },
        chosen("job", "Job", "label_values(taosink_live, job)"),
        chosen("group", "Group", 'label_values(taosink_consumer_info{job=~"$job"}, group)'),
        chosen(
            "instance",
            "Consumer",
            'label_values(taosink_consumer_info{job=~"$job",group=~"$group"}, instance)',
        ),
        chosen("topic", "Topic", 'label_values(taosink_lag_records{instance=~"$instance"}, topic)'),
        chosen("gateway", "Gateway", "label_values(taosink_ingress_ready, instance)"),
        {
            "name": "runbook",
            "label": "Runbook at",
            "type": "textbox",
            "query": "docs/RUNBOOK.md",
            "current": {"text": "docs/RUNBOOK.md", "value": "docs/RUNBOOK.md"},
            "options": [{"selected": True, "text": "docs/RUNBOOK.md", "value": "docs/RUNBOOK.md"}],
            "hide": 0,
            "skipUrlSync": False,
        },
    ]


def chosen(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": name},
        "current": {"text": ["All"], "value": ["$__all"]},
        "allValue": ".*",
        "includeAll": True,
        "multi": True,
        "hide": 0,
        "options": [],
        # With the time range: consumers come and go.
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "skipUrlSync": False,
    }


def restarts() -> Json:
    return {
        "name": "Starts",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": 'changes(process_start_time_seconds{job=~"$job",instance=~"$instance"}[1m]) > 0',
        "titleFormat": "{{instance}} was started",
        "step": "60s",
    }


def laid_out(found: Iterable[tuple[str, list[Panel]]]) -> Iterator[Json]:
    """Rows from top to bottom, panels from left to right; a panel that has no room begins a line."""
    number, y = 0, 0
    for title, panels in found:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "panels": [],
        }
        y, x, tallest = y + 1, 0, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield made(panel, number, {"h": panel.height, "w": panel.width, "x": x, "y": y})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def made(panel: Panel, number: int, place: Json) -> Json:
    found: Json = {
        "id": number,
        "type": panel.form,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": list(targets(panel)),
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel),
    }
    if panel.alert:
        url = f"${{runbook}}#{panel.alert.lower()}"
        found["links"] = [{"title": f"What to do: {panel.alert}", "url": url, "targetBlank": True}]
    return found


def targets(panel: Panel) -> Iterator[Json]:
    for letter, (legend, text) in zip("ABCDEFGH", panel.shows.items(), strict=False):
        yield {
            "refId": letter,
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": expression(text),
            "legendFormat": legend,
            "range": panel.form == "timeseries",
            "instant": panel.form != "timeseries",
            "format": "table" if panel.form == "table" else "time_series",
        }


def defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for value, color in panel.limits]
    found: Json = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "thresholds" if panel.form == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.form == "timeseries":
        found["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
        }
    return found


def options(panel: Panel) -> Json:
    if panel.form == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "auto",
        }
    if panel.form == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def main(arguments: Sequence[str]) -> int:
    """Takes at most `-`. Returns 2 where it was called otherwise."""
    if list(arguments) not in ([], ["-"]):
        sys.stderr.write("usage: generate.py [-]\n")
        return 2
    text = json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
    if arguments:
        sys.stdout.write(text)
    else:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
