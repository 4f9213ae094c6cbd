"""The alerts that Prometheus is given."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no type information

PROMETHEUS = Path(__file__).parents[2] / "deployments" / "prometheus"


def rules() -> list[dict[str, Any]]:
    """Of every group, in the file's order."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]
