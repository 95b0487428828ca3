"""Each setting is documented with its default, and what the playbook's variables say is what a board reads."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jinja2
import pytest
import yaml

from meshctl.config import Config, HubConfig, load_hub, load_node

ROOT = Path(__file__).parents[1]
ROLES = ROOT / "ansible" / "roles"
COMMUNITY = "A" * 43 + "="

SAID: dict[str, Any] = {
    "node_name": "elm",
    "node_access": [{"device": "br-lan", "ipv4": "10.44.0.1/22", "ipv6": "fd44::1/64", "open_ports": [8090]}],
    "node_line": {"name": "home", "device": "eth0", "down_mbit": 50, "up_mbit": 10, "masquerade": False},
    "node_network_name": 'Strasse "Ulme"',
    "node_help": "Ana, Nº 12 \\ ring 555",
    "node_help_place": "مكتبة, Fridays",
    "node_portal_host": "portal.example.org",
    "node_splash": False,
    "node_reachable": ["time.example.org:123/udp", "crl.example.org:80"],
    "node_portal_certificate_path": "/etc/acme/chain.pem",
    "node_portal_key_path": "/etc/acme/key.pem",
    "node_portal_https_port": 8443,
    "node_resolver_upstream": ["192.0.2.53"],
    "node_policy": {"half_life_days": 14, "level_above": [2, 3, 4]},
    "node_mesh_devices": ["mesh0"],
    "node_community": COMMUNITY,
}


def defaults(role: str) -> dict[str, Any]:
    """The role's variables, with those that follow from others left as Ansible would have them without a file."""
    told: dict[str, Any] = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return told


def rendered(role: str, template: str, said: dict[str, Any]) -> str:
    """The template as Ansible fills it in; of its filters only ``to_json`` is Ansible's own."""
    loader = jinja2.FileSystemLoader(ROLES / role / "templates")
    around = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True)
    around.filters["to_json"] = json.dumps
    return around.get_template(template).render({**defaults(role), "ansible_managed": "managed", **said})


def node(folder: Path, **said: Any) -> Config:
    file = folder / "meshctl.toml"
    file.write_text(rendered("node", "meshctl.toml.j2", {**SAID, **said}), encoding="utf-8")
    return load_node(file)


def test_a_board_reads_what_the_playbook_was_told(tmp_path: Path) -> None:
    config = node(tmp_path)
    portal = config.portal
    assert (config.node.name, config.network.name) == ("elm", SAID["node_network_name"])
    assert (portal.help, portal.help_place) == (SAID["node_help"], SAID["node_help_place"])
    assert (portal.host, portal.splash, portal.https_port) == ("portal.example.org", False, 8443)
    assert (portal.certificate, portal.key) == ("/etc/acme/chain.pem", "/etc/acme/key.pem")
    assert portal.reachable == ("time.example.org:123/udp", "crl.example.org:80")
    assert config.access[0].open_ports == (8090,)
    assert (config.line[0].down_mbit, config.line[0].masquerade) == (50, False)
    assert config.resolver.upstream == ("192.0.2.53",)
    assert (config.policy.half_life_days, config.policy.level_above) == (14, (2, 3, 4))
    assert (config.mesh.devices, config.mesh.community) == (("mesh0",), COMMUNITY)


def test_what_the_playbook_was_not_told_is_what_meshctl_has_itself(tmp_path: Path) -> None:
    bare = {"node_portal_certificate_path": "", "node_portal_key_path": "", "node_community": ""}
    told = {**defaults("node"), **bare, **{key: SAID[key] for key in ("node_name", "node_access")}}
    config = node(tmp_path, **told)
    file = tmp_path / "least.toml"
    file.write_text(
        '[node]\nname = "elm"\n[[access]]\ndevice = "br-lan"\nipv4 = "10.44.0.1/22"\nipv6 = "fd44::1/64"\n'
        "open_ports = [8090]\n",
        encoding="utf-8",
    )
    assert dataclasses.replace(config, file="") == dataclasses.replace(load_node(file), file="")


@pytest.mark.parametrize("said", [{}, {"hub_listen": ["[::]:8090"], "hub_fleet_name": 'Elm "Street"'}])
def test_a_hub_reads_what_the_playbook_was_told(tmp_path: Path, said: dict[str, Any]) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(
        rendered("hub", "hub.toml.j2", {"hub_community": COMMUNITY, "group_names": ["hubs"], **said}), encoding="utf-8"
    )
    config = load_hub(file)
    assert config.fleet.community == COMMUNITY
    assert config.fleet.name == said.get("hub_fleet_name", HubConfig().fleet.name)
    assert config.listen.addresses == tuple(said.get("hub_listen", HubConfig().listen.addresses))


@pytest.mark.parametrize("role", ["node", "hub", "release"])
def test_each_variable_has_a_type_and_a_line_for_volunteers(role: str) -> None:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    typed = set(specs["argument_specs"]["main"]["options"])
    known = set(defaults(role))
    assert known <= typed, f"no type: {known - typed}"
    evening = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    named = {"node_community": "meshctl_community", "node_roster": "meshctl_roster"}
    named |= {"hub_community": "meshctl_community", "hub_roster": "meshctl_roster"}
    assert [one for one in sorted(known | typed) if f"`{named.get(one, one)}`" not in evening] == []


def settings(shape: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its dotted name, with its default; `dataclasses.MISSING` where there is none."""
    hints = get_type_hints(shape)
    for one in dataclasses.fields(shape):
        inner = next((arg for arg in get_args(hints[one.name]) if dataclasses.is_dataclass(arg)), None)
        if one.name == "file" and not at:
            continue
        if inner is not None:
            yield from settings(inner, f"{at}{one.name}[].")
        elif dataclasses.is_dataclass(hints[one.name]):
            yield from settings(hints[one.name], f"{at}{one.name}.")
        else:
            yield f"{at}{one.name}", one.default


def documented() -> dict[str, str]:
    """The table of docs/configuration.md: each key with what stands there as its default."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", page, re.MULTILINE):
        keys = re.findall(r"`([^`]+)`", row[0])
        stem = keys[0].rpartition(".")[0]
        parts = row[1].split(", ") if len(keys) > 1 and row[1].count(", ") else [row[1]] * len(keys)
        found |= {(f"{stem}{key}" if key.startswith(".") else key): part for key, part in zip(keys, parts, strict=True)}
    return found


def test_each_setting_of_a_node_is_documented_and_each_documented_one_is_real() -> None:
    real = dict(settings(Config))
    told = documented()
    assert set(told) == set(real)
    for key, default in real.items():
        if key.startswith("users."):
            assert default == f"meshctl-{key.removeprefix('users.')}"
        elif default is not dataclasses.MISSING:
            assert told[key] == shown(default), key


def shown(default: object) -> str:
    if isinstance(default, tuple):
        return f"[{', '.join(f'{one:g}' for one in default)}]"
    if isinstance(default, float):
        return f"{default:g}"
    return f"{default}".lower() if isinstance(default, bool) else f"{default}" or '""'


def test_each_setting_of_a_hub_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [key for key, _ in settings(HubConfig) if f"`{key}`" not in page] == []
