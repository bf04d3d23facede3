"""The compose file holds together: what it names exists, here and in itself. (No container engine is needed.)"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from jobs.platform.settings import PROJECT_ROOT, Conf
from jobs.platform.yaml_model import load_yaml

DOCKER = PROJECT_ROOT / "docker"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


def test_every_service_waits_only_for_services_and_mounts_only_volumes_that_are_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "image" in service, name
        for other in service.get("depends_on", []):
            assert other in compose["services"], f"{name} waits for {other}"
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            there = (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]
            assert there, f"{name} mounts {source}"


def test_what_is_built_and_started_is_in_the_repository(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).exists(), name
        program = service.get("command", [""])[0]
        if program.startswith("scripts/"):
            assert (PROJECT_ROOT / program).exists(), name
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[2:-1]]
    assert [word for word in copied if not (PROJECT_ROOT / word).exists()] == []


def test_driver_and_workers_share_workspace_conf_and_keys_of_the_store(compose: dict[str, Any]) -> None:
    driver, worker = (compose["services"][name] for name in ("scheduler", "spark-worker"))
    assert driver["volumes"] == worker["volumes"]
    assert {name: driver["environment"][name] for name in worker["environment"]} == worker["environment"]
    conf = load_yaml(PROJECT_ROOT / worker["environment"]["DIETZ_CONF"].removeprefix("/opt/dietz/"), Conf)
    assert conf.lake == "s3a://dietz/lake"
    assert conf.spark.master == worker["environment"]["SPARK_MASTER"]
