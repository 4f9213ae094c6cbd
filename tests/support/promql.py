"""What an expression asks for, held against what both programs expose. Enough of PromQL for our own rules."""

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from support.machine_tools import needed
from support.metrics_exposed import exposed_consumer, exposed_gateway

TARGET = {"job", "instance", "namespace"}
"""What Prometheus gives each sample by itself."""
_OF_EVERY_PROCESS = {"up": set[str](), "process_start_time_seconds": set[str]()}
_SELECTOR = re.compile(r"\b((?:taosink|process)_[a-z0-9_]+|up)\b(?!\s*\()(?:\s*\{([^}]*)\})?")
_MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on|group_left|ignoring|without)\s*\(([^)]*)\)")


class Exposed(NamedTuple):
    """A name as it stands in an answer: its labels, and the values that each was seen with."""

    values: Mapping[str, set[str]]


@cache
def exposed() -> dict[str, Exposed]:
    found: dict[str, Exposed] = {}
    for text in (exposed_consumer(), exposed_gateway()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                values = found.setdefault(sample.name, Exposed({})).values
                for label, value in sample.labels.items():
                    values.setdefault(label, set()).add(value)  # type: ignore[attr-defined]  # a dict, made here
    return found


def problems(expression: str) -> list[str]:
    """Metrics and labels that nobody exposes, and label values that never come."""
    known, found, allowed = exposed(), [], set(TARGET)
    selectors = _SELECTOR.findall(expression)
    if not selectors:
        found.append("no metric is asked for")
    for name, matchers in selectors:
        if name not in known and name not in _OF_EVERY_PROCESS:
            found.append(f"{name} is exposed by nobody")
            continue
        labels = known[name].values if name in known else {}
        allowed |= labels.keys()
        for label, how, value in _MATCHER.findall(matchers):
            if label in TARGET:
                continue
            if label not in labels:
                found.append(f"{name} has no label {label}")
            elif how in ("=", "=~"):
                wanted = {value} if how == "=" else set(value.split("|"))
                plain = {one for one in wanted if re.fullmatch(r"[a-z_0-9]+", one)}
                found += [f"{name}: {label} is never {one}" for one in sorted(plain - labels[label])]
    for group in _GROUPED.findall(expression):
        found += [f"no metric of it has {one}" for one in re.findall(r"\w+", group) if one not in allowed]
    return found


def promtool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [needed("promtool"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
