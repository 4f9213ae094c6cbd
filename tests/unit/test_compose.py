"""docker-compose.yml: what runs holds together, has no rights to spare, and is taken by compose."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from support.compose_file import COMMANDS, FILE, ROOT, document, environment, places, services
from support.machine_tools import needed

from taosink import __version__
from taosink.config import MODELS
from taosink.settings.kinds import parse_duration, parse_size
from taosink.settings.spec import specs_of

MIB = 1 << 20
OURS = ("keys", "init", "consumer", "ingress", "producer")
RUNS_ON = ("kafka", "tdengine", "consumer", "ingress", "prometheus", "grafana", "ui")
BESIDES = 300 * MIB
"""Bytes of a consumer beyond memory.budget: idle, the client's buffers, the allocator's slack, and some for /tmp."""


def size(text: str) -> int:
    """Compose's own: 640m, 1g."""
    return int(text[:-1]) * {"m": MIB, "g": MIB * 1024}[text[-1]]


def seconds(text: str) -> float:
    found = parse_duration(text)
    assert isinstance(found, float)
    return found


def test_consumers_can_be_many() -> None:
    """A name or a port of the host could belong to one of them alone."""
    consumer = services()["consumer"]
    assert not {"container_name", "ports", "hostname", "networks"} & set(consumer)
    assert "TAOSINK_KAFKA_STATIC_ID" not in consumer["environment"]
    assert services({"CONSUMERS": "4"})["consumer"]["scale"] == "4"
    assert not any("container_name" in service for service in services().values())


def test_metrics_of_consumers_and_gateways_are_where_prometheus_looks() -> None:
    """And not on the host: the status listener asks for a token there."""
    jobs = yaml.safe_load((ROOT / "deployments" / "prometheus" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    asked = {
        name: found["port"]
        for job in jobs
        for found in job.get("dns_sd_configs", ())
        for name in found["names"]
    }
    assert asked == {"consumer": 9464, "ingress": 8081}
    assert environment("consumer")["TAOSINK_STATUS_LISTEN"] == "0.0.0.0:9464"
    assert environment("ingress")["TAOSINK_INGRESS_ADMIN_LISTEN"] == "0.0.0.0:8081"
    rules = ["./deployments/prometheus/prometheus.yml", "./deployments/prometheus/alerts.yml"]
    assert [v.partition(":")[0] for v in services()["prometheus"]["volumes"]][:2] == rules


@pytest.mark.parametrize("name", ["consumer", "ingress", "producer"])
def test_the_grace_is_longer_than_the_drain(name: str) -> None:
    """Who is killed before has to have its records read again."""
    defaults = {spec.name: spec.default for spec in specs_of(MODELS["consumer"])}
    deadline = services()[name]["environment"].get("TAOSINK_STOP_DEADLINE", defaults["stop.deadline"])
    assert seconds(services()[name]["stop_grace_period"]) >= seconds(deadline) + 10


@pytest.mark.parametrize("name", ["consumer", "ingress"])
def test_the_smallest_machine_can_start_it(name: str) -> None:
    """An engine refuses a limit of more cores than there are."""
    assert float(services()[name]["cpus"]) <= 1


def test_the_memory_limit_leaves_room_beside_the_budget() -> None:
    """A consumer that is killed for its memory reads everything again."""
    budget = parse_size(environment("consumer")["TAOSINK_MEMORY_BUDGET"])
    assert isinstance(budget, int)
    assert size(services()["consumer"]["mem_limit"]) >= budget + BESIDES
    assert all("mem_limit" in service for service in services().values())


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights_to_spare(name: str) -> None:
    """Nothing of the image can be written, no capability, no way to get one."""
    service = services()[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service
    assert "privileged" not in service
    assert service["image"] == f"taosink:{__version__}"
    assert service["build"]["context"] == "."
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert set(service["build"]["args"]) == {"TDENGINE_VERSION"}
    assert not service["build"]["args"]["TDENGINE_VERSION"]


@pytest.mark.parametrize("name", RUNS_ON)
def test_what_runs_on_is_started_again_and_has_its_health(name: str) -> None:
    """Its own check here, or the image's, which knows consumers and gateways."""
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert ("healthcheck" in service) != (name in ("consumer", "ingress"))


@pytest.mark.parametrize("name", ["keys", "init", "producer"])
def test_jobs_end(name: str) -> None:
    """And have nothing to be asked for."""
    assert services()[name]["restart"] == "no"
    assert services()[name]["healthcheck"] == {"disable": True}


def test_the_start_is_ordered_by_health() -> None:
    """Consumers after the topics and the database, these after the servers."""
    found = services()
    for name in ("consumer", "ingress"):
        conditions = {other: on["condition"] for other, on in found[name]["depends_on"].items()}
        assert conditions == {
            "kafka": "service_healthy",
            "tdengine": "service_healthy",
            "keys": "service_completed_successfully",
            "init": "service_completed_successfully",
        }
    assert found["init"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "tdengine": {"condition": "service_healthy"},
    }


def test_what_asks_for_no_password_is_on_loopback_alone() -> None:
    """Devices' ports are for the network; they ask for a token."""
    assert environment("ingress")["TAOSINK_INGRESS_AUTH"] == "token"
    for name, service in services().items():
        for port in service.get("ports", ()):
            public = name == "ingress" and port.endswith((":3000", ":8080"))
            assert public or port.startswith("127.0.0.1:"), (name, port)


def test_every_image_is_pinned() -> None:
    """`latest` is another one tomorrow."""
    for name, service in services().items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.search(r"\d+\.\d+", tag), (name, tag)


def test_what_is_mounted_is_there() -> None:
    """Docker makes an empty directory of a file that is missing."""
    volumes = set(document()["volumes"])
    for name, service in services().items():
        for mount in service.get("volumes", ()):
            source, target, *how = mount.split(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
                assert how == ["ro"], (name, mount)
            else:
                assert source in volumes, (name, source)
            assert target.startswith("/")


def test_certificates_stay_on_their_machine() -> None:
    """The directory for them is in the tree, what it holds is not."""
    where = places()["INGRESS_CERTIFICATES"].pop()
    rules = (ROOT / where / ".gitignore").read_text().splitlines()
    assert rules[-2:] == ["*", "!.gitignore"]


def compose(tmp_path: Path, *arguments: str) -> str:
    """docker-compose, with nothing of this machine's environment."""
    program = needed("docker-compose")
    (tmp_path / "env").write_text("")
    line = [program, "--project-directory", str(ROOT), "--env-file", str(tmp_path / "env"), "-f", str(FILE)]
    done = subprocess.run(
        [*line, *arguments],
        env={"PATH": str(Path(program).parent) + ":/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("profiles", [(), ("observe", "ui")])
def test_docker_compose_takes_it(profiles: tuple[str, ...], tmp_path: Path) -> None:
    """Without .env and without a word of warning."""
    flags = [word for profile in profiles for word in ("--profile", profile)]
    taken = yaml.safe_load(compose(tmp_path, *flags, "config"))["services"]
    mine = {n: s for n, s in services().items() if set(s.get("profiles", ())) <= set(profiles)}
    assert set(mine) <= set(taken)
    for name in COMMANDS[:3]:
        assert taken[name]["environment"] == environment(name)
    assert taken["keys"]["command"] == [services()["keys"]["command"][0].replace("$", "$$")]


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        (None, {"kafka", "tdengine", "keys", "init", "consumer", "ingress", "producer"}),
        ("observe", {"prometheus", "grafana"}),
        ("ui", {"ui"}),
    ],
)
def test_a_profile_adds_what_it_is_for(profile: str | None, names: set[str]) -> None:
    """What works the readings is there without one."""
    wanted = [profile] if profile else []
    assert {name for name, service in services().items() if service.get("profiles", []) == wanted} == names
