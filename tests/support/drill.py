"""What page, probes, metrics, log and alerts of a consumer say at one moment, put side by side."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.browser import Watched
from support.http_asked import asked
from support.kafka_broker import free_ports
from support.logged import Logged
from support.machine_tools import needed

from taosink.demo.child import Child

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deployments" / "prometheus" / "alerts.yml"
MIB = 2**20
PROBES = ("livez", "readyz", "healthz")
SUMS = (
    "taosink_ready",
    "taosink_live",
    "taosink_healthy",
    "taosink_database_wait_seconds",
    "taosink_lag_records",
    "taosink_queue_records",
    "taosink_records_consumed_total",
    "taosink_records_stored_total",
    "taosink_records_dead_lettered_total",
    "taosink_retries_total",
    "process_resident_memory_bytes",
)
HIGHEST = ("taosink_lag_seconds",)
TEXTS = """() => {
  const text = (where) => [...document.querySelectorAll(where)].map((node) => node.innerText.trim()).filter(Boolean);
  const shown = [...document.querySelectorAll("#state p, #state h1, #state li")].filter((node) => !node.hidden);
  return {
    title: document.title,
    level: document.getElementById("state").dataset.level,
    contact: document.getElementById("contact-words").innerText,
    state: shown.map((node) => node.innerText.trim()).filter(Boolean),
    tiles: text(".tile").map((each) => each.split("\\n").map((part) => part.trim()).filter(Boolean).join(" | ")),
    partitions: text("#partition-rows tr").map((each) => each.replaceAll(/\\s+/g, " ")),
    errors: text("#errors li").slice(0, 2),
  };
}"""
"""The page's words as somebody reads them."""


def metrics(url: str) -> dict[str, float]:
    """Those that tell the drill's story, over all partitions."""
    found: dict[str, float] = {}
    for line in asked(f"{url}/metrics")[1].splitlines():
        name, value = line.partition("{")[0].partition(" ")[0], line.rpartition(" ")[2]
        if name in SUMS:
            found[name] = found.get(name, 0.0) + float(value)
        elif name in HIGHEST:
            found[name] = max(found.get(name, 0.0), float(value))
    return found


class Prometheus:
    """A real one with the alerts of the tree, that asks one consumer."""

    def __init__(self, target: str, folder: Path) -> None:
        number = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{number}"
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "5s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "consumer", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self._child = Child(
            "prometheus",
            [
                needed("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{number}",
            ],
        )

    def __repr__(self) -> str:
        return f"<Prometheus {self.url}>"

    def alerts(self) -> list[str]:
        """`name state`, of those that are pending or firing."""
        found = asked(f"{self.url}/api/v1/alerts")[1]["data"]["alerts"]
        return sorted(f"{alert['labels']['alertname']} {alert['state']}" for alert in found)

    def stop(self) -> None:
        self._child.stop(signal.SIGTERM)


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    found = Prometheus(target, folder)
    try:
        yield found
    finally:
        found.stop()


class Drill:
    """Takes looks; `stages` are all of them. Pictures and stages.jsonl go to `folder`."""

    def __init__(self, view: Watched, consumer: Logged, alerts: Prometheus, folder: Path) -> None:
        self.stages: list[dict[str, Any]] = []
        self.begun = time.monotonic()
        self._view, self._consumer, self._alerts, self._folder = view, consumer, alerts, folder
        self._told = 0

    def __repr__(self) -> str:
        return f"<Drill {[stage['stage'] for stage in self.stages]}>"

    def look(self, stage: str) -> dict[str, Any]:
        """Everything at once, and a picture of the page."""
        url = self._view.url
        page = self._view.page
        found: dict[str, Any] = {"stage": stage, "after": round(time.monotonic() - self.begun, 1)}
        for probe in PROBES:
            found[probe] = asked(f"{url}/{probe}")
        found["metrics"] = metrics(url)
        found["page"] = page.evaluate(TEXTS)
        found["alerts"] = self._alerts.alerts()
        lines = [line for line in self._consumer.lines() if line["event"] != "consumer.stats"]
        found["log"], self._told = lines[self._told :], len(lines)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=self._folder / f"{len(self.stages)}-{stage}.png")
        self.stages.append(found)
        with (self._folder / "stages.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(found) + "\n")
        return found

    def look_at(self, stage: str, after: float) -> dict[str, Any]:
        """So many seconds after `begun`."""
        time.sleep(max(0.0, self.begun + after - time.monotonic()))
        return self.look(stage)


def audited(command: list[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """The audit's report, and its exit code as `exit`."""
    done = subprocess.run(
        [*command, "--json"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return {"exit": done.returncode, **report}


def table(stages: Sequence[Mapping[str, Any]]) -> str:
    """The stages as a Markdown table, a row each."""
    lines = [
        "| stage | s | the page says | " + " ".join(PROBES) + " | metrics | alerts | log |",
        "|" + "---|" * 7,
    ]
    for stage in stages:
        told = stage["metrics"]
        said = " ".join(stage["page"]["state"][1:3]).replace("|", "/")
        codes = [reason["code"] for reason in stage["healthz"][1]["reasons"]]
        figures = (
            f"lag {told['taosink_lag_records']:,.0f}, {told['taosink_lag_seconds']:.1f} s; "
            f"database wait {told['taosink_database_wait_seconds']:.1f} s; "
            f"queue {told['taosink_queue_records']:,.0f}; retries {told['taosink_retries_total']:.0f}; "
            f"stored {told['taosink_records_stored_total']:,.0f}; "
            f"{told['process_resident_memory_bytes'] / MIB:.1f} MiB"
        )
        events = ", ".join(dict.fromkeys(line["event"] for line in stage["log"]))
        answers = " ".join([*(str(stage[probe][0]) for probe in PROBES), *codes])
        alerts = ", ".join(stage["alerts"]) or "none"
        cells = (stage["stage"], str(stage["after"]), said, answers, figures, alerts, events)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
