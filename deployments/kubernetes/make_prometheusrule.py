"""Writes components/monitoring/prometheusrule.yaml anew from ../prometheus/alerts.yml, which Prometheus itself reads.

Run it from anywhere, without arguments, after a change of the alerts.
"""

from pathlib import Path

HERE = Path(__file__).parent
ALERTS = HERE.parent / "prometheus" / "alerts.yml"
TARGET = HERE / "components" / "monitoring" / "prometheusrule.yaml"
HEAD = """\
# Made from deployments/prometheus/alerts.yml: `python deployments/kubernetes/make_prometheusrule.py` writes it anew.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: taosink
  labels:
    app.kubernetes.io/name: taosink
spec:
"""


def manifest(alerts: str) -> str:
    """The rule file's text as the manifest's `spec`, comments and all."""
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in alerts.splitlines())


if __name__ == "__main__":
    TARGET.write_text(manifest(ALERTS.read_text(encoding="utf-8")), encoding="utf-8")
