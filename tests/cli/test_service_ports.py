"""Ports of the servers beside the local cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.up import demo_sites, local_services
from cli.up.service_ports import FILE, ServicePorts, of_last_run


def test_a_run_uses_the_ports_of_the_last_one(tmp_path: Path) -> None:
    settings = []
    for _ in range(2):
        wanted = of_last_run(tmp_path)
        with demo_sites.sites(wanted) as sites, local_services.start(tmp_path, wanted) as services:
            assert sites
            services.ports.with_sites(sites.ports).remember(tmp_path)
            settings.append(services.settings | demo_sites.settings(sites))
    assert settings[0] == settings[1]


def test_a_port_in_use_is_replaced(tmp_path: Path) -> None:
    with local_services.start(tmp_path, ServicePorts()) as first:
        first.ports.remember(tmp_path)
        with local_services.start(tmp_path, of_last_run(tmp_path)) as second:
            assert not set(first.settings.values()) >= {second.settings["MAIL_RELAY"], second.settings["DNS_SERVERS"]}


@pytest.mark.parametrize("text", ["", "[]", '{"mail": 1, "other": 2}', '{"mail": "7781"}', '{"mail": 70000}'])
def test_an_invalid_file_means_free_ports(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert of_last_run(tmp_path) == ServicePorts()
