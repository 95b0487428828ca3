"""A phone that runs NetworkManager, with a message bus of its own, as a laptop of a neighbour does.

Its state is on tmpfs. What it says of its connectivity goes into the log of the phone's service
`connectivity`, one line by change.
"""

from __future__ import annotations

import re
from pathlib import Path

from meshctl.lab import kernel
from meshctl.lab.fault import LabError
from meshctl.lab.ground import MEMBER, ROOM
from meshctl.lab.kernel import SYSTEM_PATH
from meshctl.lab.launch import PROGRAMS, Launcher, in_member
from meshctl.lab.supervisor import Spec

CLIENT = "networkmanager"
PROBE = "http://connectivity-check.example/nm"

_SAID = re.compile(r"^Connectivity is now '(\w+)'", re.MULTILINE)

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
 <type>system</type>
 <listen>unix:path={scratch}/bus</listen>
 <auth>EXTERNAL</auth>
 <policy context="default">
  <allow user="*"/>
  <allow own="*"/>
  <allow send_destination="*"/>
  <allow receive_sender="*"/>
 </policy>
</busconfig>
"""

_SETTINGS = """[main]
plugins=keyfile
auth-polkit=false
dhcp=internal
rc-manager=file
[keyfile]
path={scratch}/connections
[device]
managed=1
[connection]
ipv6.addr-gen-mode={generated}
ipv6.ip6-privacy={temporary}
[connectivity]
uri={probe}
interval=2
"""

_HOME = """[connection]
id=home
type=ethernet
interface-name=eth0
autoconnect-retries=0
[ipv4]
method=auto
[ipv6]
method=auto
"""

# It keeps state at fixed places, and with a /sys that it may not write it does without udev.
_START = (
    "for folder in /run/NetworkManager /var/lib/NetworkManager; do mount -t tmpfs none $folder; done; "
    "mount -o remount,bind,ro /sys; until [ -S {scratch}/bus ]; do sleep 0.02; done; "
    "exec NetworkManager --debug --config={scratch}/settings"
    " --config-dir={scratch}/none --system-config-dir={scratch}/none"
)
_WATCH = "until [ -S {scratch}/bus ]; do sleep 0.02; done; exec nmcli monitor"

_NMCLI = """#!/bin/sh
# nmcli, on the bus of the phone that this runs in.
phone=$(ip netns identify $$)
DBUS_SYSTEM_BUS_ADDRESS=unix:path={room}/phones/$phone/bus PATH={path} exec nmcli "$@"
"""


def scratch_of(phone: str) -> Path:
    """The folder on tmpfs that a phone's programs may litter."""
    return ROOM / "phones" / phone


def furnish(phone: str, *, eui64: bool) -> None:
    """Write what the bus and NetworkManager of a phone read, and the folder its resolv.conf comes to lie in."""
    scratch = scratch_of(phone)
    for folder in (scratch / "connections", Path("/run/NetworkManager")):
        folder.mkdir(parents=True, exist_ok=True)
    generated, temporary = ("0", "0") if eui64 else ("1", "2")
    words = {"scratch": scratch, "probe": PROBE, "generated": generated, "temporary": temporary}
    (scratch / "bus.conf").write_text(_BUS.format(**words), encoding="ascii")
    (scratch / "settings").write_text(_SETTINGS.format(**words), encoding="ascii")
    profile = scratch / "connections" / "home.nmconnection"
    profile.write_text(_HOME, encoding="ascii")
    profile.chmod(0o600)
    program = PROGRAMS / "nmcli"
    program.write_text(_NMCLI.format(room=ROOM, path=SYSTEM_PATH), encoding="ascii")
    program.chmod(0o755)
    (Path("/etc/netns") / phone / MEMBER).mkdir()


def specs(phone: str, launcher: Launcher) -> list[Spec]:
    """The bus, NetworkManager, and who writes down what it says."""
    scratch = scratch_of(phone)
    environment = {**launcher.environment(), "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={scratch}/bus", "PATH": SYSTEM_PATH}

    def spec(name: str, *argv: str) -> Spec:
        return Spec(phone, name, in_member(phone, *argv), environment)

    return [
        spec("bus", "dbus-daemon", f"--config-file={scratch}/bus.conf", "--nofork", "--nopidfile"),
        spec("client", "sh", "-c", _START.format(scratch=scratch)),
        spec("connectivity", "sh", "-c", _WATCH.format(scratch=scratch)),
    ]


def associate(phone: str) -> None:
    """Have NetworkManager connect anew, as a laptop does that comes to another node's radio."""
    try:
        kernel.run([*in_member(phone, str(PROGRAMS / "nmcli")), "--wait", "0", "device", "connect", "eth0"])
    except LabError:
        # It does not run yet, or has not seen the carrier: then it connects by itself.
        return


def said(log: str) -> list[str]:
    """Every state of connectivity that such a log tells of, in order."""
    return _SAID.findall(log)
