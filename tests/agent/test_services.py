"""What the node's other programs are told, and that babeld understands it."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from meshctl.agent.services import OFFERED, babeld_text, sysctl_text
from meshctl.config import Access, Config, Line, Mesh, Node, Paths, load_node

COMMUNITY = base64.b64encode(bytes(range(32))).decode()
ELM = Access("br-lan", "10.44.0.1/22", "2001:db8:44::1/64")
MESH = Mesh(devices=("mesh0", "mesh1"), hello_seconds=0.5, community=COMMUNITY)
WAN = Line("fibre", "wan0", 20, 20)


def told(config: Config, word: str) -> list[str]:
    return [line for line in babeld_text(config).splitlines() if line.startswith(f"{word} ")]


def test_a_node_tells_its_prefixes_and_nothing_else() -> None:
    assert told(Config(Node("elm"), (ELM,), mesh=MESH), "redistribute") == [
        "redistribute if br-lan ip 10.44.0.0/22 eq 22 allow",
        "redistribute if br-lan ip 2001:db8:44::/64 eq 64 allow",
        "redistribute local deny",
        "redistribute deny",
    ]


def test_a_gateway_also_tells_the_default_routes_over_its_line() -> None:
    found = told(Config(Node("elm"), (ELM,), line=(WAN,), mesh=MESH), "redistribute")
    assert [line for line in found if "eq 0" in line] == [
        "redistribute if wan0 ip 0.0.0.0/0 eq 0 allow",
        "redistribute if wan0 ip ::/0 eq 0 allow",
    ]
    assert found[-1] == "redistribute deny"


def test_it_offers_what_the_agent_put_into_a_table_for_it_and_nothing_of_the_main_one() -> None:
    assert told(Config(Node("elm"), (ELM,), line=(WAN,), mesh=MESH), "import-table") == [f"import-table {OFFERED}"]


def test_who_turns_to_another_way_tells_it_over_every_device() -> None:
    found = told(Config(Node("elm"), (ELM,), mesh=MESH), "interface")
    assert [line.split()[1] for line in found] == list(MESH.devices)
    assert all("split-horizon false" in line for line in found)


def test_a_route_over_a_lines_cable_without_a_partner_is_passed_over() -> None:
    lines = sysctl_text(Config(Node("elm"), (ELM,), line=(WAN,), mesh=MESH)).splitlines()
    assert {f"-net.{ip}.conf.wan0.ignore_routes_with_linkdown = 1" for ip in ("ipv4", "ipv6")} <= set(lines)


def test_its_socket_can_be_read_and_never_written_to() -> None:
    config = Config(Node("elm"), (ELM,), mesh=MESH)
    assert told(config, "local-port") == ["local-port 33123"]
    assert "readwrite" not in babeld_text(config)


def test_nobody_draws_a_nodes_own_prefix_or_a_single_address_to_himself() -> None:
    found = told(Config(Node("elm"), (ELM,), mesh=MESH), "in")
    assert found[:2] == ["in ip 10.44.0.0/22 deny", "in ip 2001:db8:44::/64 deny"]
    assert found[-1] == "in deny"
    assert not any(length in line for line in found for length in ("le 32", "le 128"))


def test_a_node_has_another_router_id_after_each_boot_and_keeps_nothing_of_it_on_disk() -> None:
    text = babeld_text(Config(Node("elm"), (ELM,), mesh=MESH))
    assert "random-id true" in text
    assert 'state-file ""' in text


def test_mesh_devices_take_packets_that_came_another_way() -> None:
    lines = sysctl_text(Config(Node("elm"), (ELM,), mesh=MESH)).splitlines()
    assert {"-net.ipv4.conf.all.rp_filter = 0", "-net.ipv4.conf.mesh1.rp_filter = 0"} <= set(lines)
    assert not any("all.rp_filter" in line for line in sysctl_text(Config(Node("elm"), (ELM,))).splitlines())


@pytest.mark.kernel
def test_babeld_takes_every_line(tmp_path: Path) -> None:
    paths = Paths(state=str(tmp_path), run=str(tmp_path))
    config = Config(Node("elm"), (ELM,), paths=paths, line=(WAN,), mesh=MESH)
    (tmp_path / "babeld.conf").write_text(babeld_text(config), encoding="ascii")
    script = (
        "ip link add mesh0 type veth peer name mesh1; ip link set mesh0 up; ip link set mesh1 up\n"
        f"babeld -c {tmp_path}/babeld.conf & \n"
        "python3 -c 'import socket, time\n"
        "for _ in range(100):\n"
        '    try: talk = socket.create_connection(("::1", 33123)); break\n'
        "    except OSError: time.sleep(0.05)\n"
        'talk.sendall(b"interface mesh9\\nquit\\n"); print(talk.makefile().read())\'\n'
        "kill $!; wait $!"
    )
    argv = [sys.executable, "-m", "meshctl.lab.jail", "--", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert "my-id " in done.stdout, done.stderr
    assert "\nbad\n" in done.stdout


def test_the_verb_prints_it_and_says_what_a_node_alone_lacks(tmp_path: Path) -> None:
    file = tmp_path / "meshctl.toml"
    access = '[[access]]\ndevice = "br-lan"\nipv4 = "10.44.0.1/22"\nipv6 = "2001:db8:44::1/64"\n'
    file.write_text(f'[node]\nname = "elm"\n{access}[mesh]\ndevices = ["mesh0"]\ncommunity = "{COMMUNITY}"\n')
    verb = [sys.executable, "-m", "meshctl", "config", "babeld", "--config"]
    assert subprocess.check_output([*verb, file], text=True) == babeld_text(load_node(file))
    file.write_text(f'[node]\nname = "elm"\n{access}')
    done = subprocess.run([*verb, file], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "mesh.devices" in done.stderr
