"""A file that cannot be used is refused with file, key and remedy; one that can is understood whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshctl.config import Config, ConfigError, load_hub, load_node

GOOD = """
[node]
name = "corner-7"
[[access]]
device = "br-lan"
ipv4 = "10.44.0.1/22"
ipv6 = "fd44::1/64"
open_ports = [8090]
[[line]]
name = "isp"
device = "wan0"
down_mbit = 20
up_mbit = 5.5
"""


SECURE = 'certificate = "/c"\nkey = "/k"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "meshctl.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_is_understood(tmp_path: Path) -> None:
    config = load_node(written(tmp_path, GOOD))
    assert isinstance(config, Config)
    assert config.node.name == "corner-7"
    assert config.line[0].capacity.down == 2_500_000
    assert config.line[0].capacity.of("up") == 687_500
    assert config.access[0].open_ports == (8090,)
    assert str(config.socket) == "/run/meshctl/agent.sock"
    assert config.policy.guest_share == 0.30


def test_a_node_needs_no_line(tmp_path: Path) -> None:
    assert load_node(written(tmp_path, GOOD.partition("[[line]]")[0])).line == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy"),
    [
        ("down_mbit = 20", "down_mbit = 0", "line[0].down_mbit", "Use 0.1 to"),
        ("down_mbit = 20", "down_mbit = nan", "line[0].down_mbit", "Write a number"),
        ("down_mbit = 20", "down_mbit = inf", "line[0].down_mbit", "Use 0.1 to"),
        ("down_mbit = 20", 'down_mbit = "fast"', "line[0].down_mbit", "Write a number"),
        ("down_mbit = 20", "down_mbit = true", "line[0].down_mbit", "Write a number"),
        ("down_mbit = 20", "", "line[0].down_mbit", "Add down_mbit"),
        ("down_mbit = 20", "down_mbits = 20", "line[0].down_mbits", "Did you mean 'down_mbit'?"),
        ('name = "corner-7"', 'name = "Corner 7"', "node.name", "lower-case"),
        ('device = "br-lan"', 'device = "br lan"', "access[0].device", "br-lan"),
        ('device = "br-lan"', 'device = "wan0"', "line[0].device", "name another"),
        ("10.44.0.1/22", "10.44.0.0/22", "access[0].ipv4", "10.44.0.1/22"),
        ("10.44.0.1/22", "10.44.0.1/31", "access[0].ipv4", "/29"),
        ("10.44.0.1/22", "fd44::1/64", "access[0].ipv4", "10.44.0.1/22"),
        ("fd44::1/64", "fd44::1/48", "access[0].ipv6", "/64"),
        ("open_ports = [8090]", "open_ports = [0]", "access[0].open_ports", "1 to 65535"),
        ("open_ports = [8090]", "open_ports = 80", "access[0].open_ports", "list"),
        ("[node]", "[nodes]\n[node]", "nodes", "Did you mean 'node'?"),
        ("[node]", "[policy]\nguest_share = 1.0\n[node]", "policy.guest_share", "0.5"),
        ("[node]", '[shaping]\nleaf = "red"\n[node]', "shaping.leaf", "cake"),
        ("[node]", "[portal]\nport = 8080\n[node]", "portal.redirect_port", "two ports"),
        ("[node]", '[report]\nhub = "ftp://x"\n[node]', "report.hub", "http://"),
        ("[node]", '[portal]\nhost = "Mesh Home"\n[node]', "portal.host", "mesh.home"),
        ("[node]", '[portal]\ncertificate = "/c"\n[node]', "portal.key", "both portal.certificate and portal.key"),
        ("[node]", '[portal]\nkey = "/k"\n[node]', "portal.certificate", "both portal.certificate and portal.key"),
        ("[node]", f"[portal]\n{SECURE}https_port = 80\n[node]", "portal.https_port", "three ports"),
        ("[node]", f'[portal]\n{SECURE}host = "10.44.0.1"\n[node]', "portal.host", "name that"),
        ("[node]", f'[portal]\n{SECURE}host = "{".".join(["a" * 60] * 4)}"\n[node]', "portal.host", "letters"),
        ("[node]", '[portal]\nhost = "-a.example.org"\n[node]', "portal.host", "mesh.home"),
        ("[node]", f'[portal]\nhost = "{"a" * 64}.example.org"\n[node]', "portal.host", "mesh.home"),
        ("[node]", '[portal]\nhelp_place = "a\\nb"\n[node]', "portal.help_place", "one line"),
        (
            "[node]",
            '[resolver]\nupstream = ["192.0.2.53", "dns.example.org"]\n[node]',
            "resolver.upstream[1]",
            "9.9.9.9",
        ),
        ("[node]", '[report]\nhub = "http://"\n[node]', "report.hub", "http://host:port"),
        ("[node]", '[portal]\nreachable = ["time.example.org"]\n[node]', "portal.reachable[0]", "123/udp"),
        ("[node]", '[portal]\nreachable = ["a:1", "192.0.2.1:80"]\n[node]', "portal.reachable[1]", "123/udp"),
        ("[node]", '[portal]\nreachable = ["a:70000"]\n[node]', "portal.reachable[0]", "123/udp"),
        ("[node]", '[portal]\nreachable = ["a:1/sctp"]\n[node]', "portal.reachable[0]", "123/udp"),
        ("[node]", f"[portal]\nreachable = {['a:1'] * 33}\n[node]", "portal.reachable", "at most 32"),
        ("[node]", f'[network]\nname = "{"x" * 91}"\n[node]', "network.name", "at most 90"),
        ("[node]", f'[portal]\nhelp = "{"ह" * 81}"\n[node]', "portal.help", "80 letters of Hindi"),
        ("[node]", f'[portal]\nhelp_place = "{"&" * 61}"\n[node]', "portal.help_place", "at most 240"),
        ("[node]", 'file = "x"\n[node]', "file", "Remove it"),
        ("[node]", "[node", "file", "Mend that line"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, old: str, new: str, key: str, remedy: str) -> None:
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        load_node(file)
    assert refused.value.key == key
    assert str(refused.value).startswith(f"{file}: {key}: ")
    assert remedy in refused.value.remedy


def test_prefixes_of_two_doors_must_not_overlap(tmp_path: Path) -> None:
    second = '[[access]]\ndevice = "wlan1"\nipv4 = "10.44.2.1/24"\nipv6 = "fd45::1/64"\n'
    with pytest.raises(ConfigError, match=r"access\[1\].ipv4: 10.44.2.0/24 overlaps access\[0\].ipv4"):
        load_node(written(tmp_path, GOOD + second))


def test_a_second_uplink_is_refused(tmp_path: Path) -> None:
    second = '[[line]]\nname = "b"\ndevice = "wan1"\ndown_mbit = 1\nup_mbit = 1\n'
    with pytest.raises(ConfigError, match="more than one uplink"):
        load_node(written(tmp_path, GOOD + second))


def test_a_node_without_a_door_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device faces neighbours"):
        load_node(written(tmp_path, 'access = []\n[node]\nname = "a"\n'))


def test_a_missing_file_and_one_in_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it does not exist"):
        load_node(tmp_path / "none.toml")
    file = tmp_path / "latin.toml"
    file.write_bytes(b'[node]\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="cannot be read"):
        load_node(file)


@pytest.mark.parametrize("address", ["8090", "host:", ":80", "host:x", "host:65536"])
def test_a_hubs_address_is_host_and_port(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"listen\.addresses"):
        load_hub(written(tmp_path, f'[listen]\naddresses = ["{address}"]\n'))


def test_a_hub_runs_without_a_word_of_configuration(tmp_path: Path) -> None:
    assert load_hub(written(tmp_path, "")).listen.addresses == ("127.0.0.1:8090",)
    with pytest.raises(ConfigError, match=r"database\.url"):
        load_hub(written(tmp_path, '[database]\nurl = "hub.db"\n'))
