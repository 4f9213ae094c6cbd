"""Autoscaling and monitoring of the Kubernetes manifests fit what they look at."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.manifest_processes import processes
from support.manifests import EVERYTHING, FOLDER, PRODUCTION, Build, Manifest, build, documents, kustomized

ALERTS = FOLDER.parent / "prometheus" / "alerts.yml"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(EVERYTHING, tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def settings(built: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By command."""
    found = processes(built, tmp_path_factory.mktemp("mounts"))
    return {p.command: p.load().settings for p in found}


@pytest.fixture
def scaled(built: Build) -> Manifest:
    [found] = built.all("ScaledObject")
    return dict(found["spec"])


@pytest.fixture
def trigger(scaled: Manifest) -> Manifest:
    [found] = scaled["triggers"]
    return dict(found["metadata"])


def test_the_autoscaler_looks_where_the_consumers_read(trigger: Manifest, settings: dict[str, Any]) -> None:
    """The same brokers, topic and group, from one place."""
    consumer = settings["consumer"]
    assert trigger["bootstrapServers"] == ",".join(consumer.kafka.brokers)
    assert (trigger["topic"],) == tuple(consumer.group.topic)
    assert trigger["consumerGroup"] == consumer.group.id


def test_other_brokers_in_the_settings_reach_the_autoscaler(tmp_path: Path) -> None:
    """Whoever edits kafka.env edits all of them."""
    shutil.copytree(FOLDER, tmp_path / "tree")
    overlay = tmp_path / "tree" / PRODUCTION
    file = overlay / "kustomization.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("  # - ../../components/keda\n", "  - ../../components/keda\n"), encoding="utf-8"
    )
    (overlay / "settings" / "kafka.env").write_text(
        "TAOSINK_KAFKA_BROKERS=a:1,b:2\nTAOSINK_TOPIC=other\nTAOSINK_KAFKA_GROUP=g2\n", encoding="utf-8"
    )
    found = Build("edited", tuple(kustomized(overlay)))
    [scaled] = found.all("ScaledObject")
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    assert [metadata[key] for key in ("bootstrapServers", "topic", "consumerGroup")] == [
        "a:1,b:2",
        "other",
        "g2",
    ]
    assert found.one("ConfigMap", "taosink-kafka")["data"]["TAOSINK_KAFKA_BROKERS"] == "a:1,b:2"


def test_a_changed_setting_rolls_the_pods(built: Build, tmp_path: Path) -> None:
    """The ConfigMap's name has a hash of its content, and so the pods' template changes with it."""
    shutil.copytree(FOLDER, tmp_path / "tree")
    overlay = tmp_path / "tree" / PRODUCTION
    file = overlay / "settings" / "taosink.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("worker = 4", "worker = 5"), encoding="utf-8")
    after = Build("edited", tuple(kustomized(overlay)))
    before, now = (b.one("Deployment", "taosink-consumer")["spec"]["template"] for b in (built, after))
    names = [
        next(v["configMap"]["name"] for v in template["spec"]["volumes"] if "configMap" in v)
        for template in (before, now)
    ]
    assert names[0] != names[1]
    assert all(name.startswith("taosink-config-") for name in names)


def test_the_autoscaler_owns_the_number_of_consumers(built: Build, scaled: Manifest) -> None:
    """It names the Deployment, which has no number of its own that each apply would set back."""
    target = scaled["scaleTargetRef"]["name"]
    assert "replicas" not in built.one("Deployment", target)["spec"]
    assert target == "taosink-consumer"


def test_there_are_no_more_consumers_than_partitions(
    scaled: Manifest, trigger: Manifest, settings: dict[str, Any]
) -> None:
    """More of them idle."""
    assert scaled["maxReplicaCount"] == settings["init"].make.partitions
    assert trigger["allowIdleConsumers"] == "false"
    assert trigger["limitToPartitionsWithLag"] == "true"
    assert scaled["minReplicaCount"] <= scaled["fallback"]["replicas"] <= scaled["maxReplicaCount"]


def test_nothing_is_passed_over_where_nothing_is_committed(
    trigger: Manifest, settings: dict[str, Any]
) -> None:
    """The autoscaler and the consumers begin at the same place; from zero, a group that has never committed, or
    whose offsets the brokers forgot, is started."""
    assert trigger["offsetResetPolicy"] == settings["consumer"].group.offset == "earliest"
    assert trigger["scaleToZeroOnInvalidOffset"] == "false"
    assert trigger["activationLagThreshold"] == "0"


def test_an_outage_does_not_look_like_no_lag(trigger: Manifest) -> None:
    """Nothing is committed then, and the backlog is to be written afterwards."""
    assert trigger["excludePersistentLag"] == "false"


def test_the_autoscaler_speaks_what_kafka_4_answers(trigger: Manifest) -> None:
    """Kafka 4 dropped the forms of requests from before 2.1."""
    assert tuple(map(int, trigger["version"].split("."))) >= (2, 1, 0)


def test_the_autoscaler_logs_in_as_the_consumers_do(
    built: Build, scaled: Manifest, trigger: Manifest, settings: dict[str, Any]
) -> None:
    """By the same Secret and mechanism."""
    [login] = built.all("TriggerAuthentication")
    assert scaled["triggers"][0]["authenticationRef"]["name"] == login["metadata"]["name"]
    mechanism = settings["consumer"].kafka.sasl_mechanism
    assert trigger["sasl"] == mechanism.lower().replace("-sha-", "_sha")
    assert (trigger["tls"] == "enable") == settings["consumer"].kafka.tls
    keys = {(t["parameter"], t["name"], t["key"]) for t in login["spec"]["secretTargetRef"]}
    secret = "taosink-kafka"
    assert keys == {
        ("username", secret, "username"),
        ("password", secret, "password"),
        ("ca", secret, "ca.crt"),
    }


def test_metrics_are_asked_of_every_pod_under_the_alerts_job(built: Build) -> None:
    """By the port's name, which only such a pod has, and with the job that alerts and dashboard know it by."""
    alerts = ALERTS.read_text(encoding="utf-8")
    for monitor in built.all("PodMonitor"):
        workload = built.one("Deployment", monitor["metadata"]["name"])
        labels = workload["spec"]["template"]["metadata"]["labels"]
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        [container] = workload["spec"]["template"]["spec"]["containers"]
        assert endpoint["port"] in {p["name"] for p in container["ports"]}
        assert endpoint["path"] == "/metrics"
        job = labels[monitor["spec"]["jobLabel"]]
        assert f'up{{job="{job}"}}' in alerts
    assert {m["metadata"]["name"] for m in built.all("PodMonitor")} == {"taosink-consumer", "taosink-ingress"}


def test_the_rules_are_those_of_prometheus(built: Build) -> None:
    """One source for both; the script in the failure's text writes them anew."""
    script = FOLDER / "make_prometheusrule.py"
    made = runpy.run_path(str(script))
    alerts = ALERTS.read_text(encoding="utf-8")
    assert made["TARGET"].read_text(encoding="utf-8") == made["manifest"](alerts), f"run python {script.name}"
    [rules] = built.all("PrometheusRule")
    # kustomize writes folded texts anew, with other line ends, which mean nothing in an expression.
    assert unfolded(rules["spec"]) == unfolded(documents(alerts)[0])
    assert "taosink_lag_seconds" in alerts


def unfolded(value: Any) -> Any:
    """The same with every run of white space as one space."""
    if isinstance(value, dict):
        return {key: unfolded(found) for key, found in value.items()}
    if isinstance(value, list):
        return [unfolded(found) for found in value]
    return " ".join(value.split()) if isinstance(value, str) else value
