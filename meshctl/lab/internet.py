"""The far end of every uplink: one namespace that answers every name and serves known bytes."""

from __future__ import annotations

from meshctl.lab import kernel
from meshctl.lab.authority import Authority
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, in_member, python
from meshctl.lab.probes import BY_HOST, SECURE
from meshctl.lab.supervisor import Spec
from meshctl.lab.tables import INTERNET, InternetTable

NCSI = ("dns.msftncsi.com", "131.107.255.255", "fd3e:4f5a:5b81::1")
"""The name that Windows resolves to learn whether it is online, and what it expects."""


AUTHORITY = ROOM / "internet.pem"
"""The root that its web server's certificate leads to, and those of `secure` nodes. A lab's members believe it."""

_CHAIN, _KEY = ROOM / "web.pem", ROOM / "web.key"


class Internet:
    """The member called "internet"."""

    name = INTERNET

    def __init__(self, table: InternetTable) -> None:
        self.table = table

    def certify(self, authority: Authority) -> None:
        """Have its web server vouched for, by the names of the hosts that phones ask."""
        AUTHORITY.write_bytes(authority.root.read_bytes())
        first, *more = sorted({*SECURE, *(host for host, _ in BY_HOST)})
        authority.issue(first, _CHAIN, _KEY, others=more)

    def build(self) -> None:
        """Make its namespace and addresses."""
        ip([f"netns add {self.name}"])
        ip(
            [
                "link set lo up",
                f"addr add {self.table.ipv4}/32 dev lo",
                f"addr add {self.table.ipv6}/128 dev lo nodad",
            ],
            self.name,
        )
        with kernel.inside_net(self.name):
            for family in ("ipv4", "ipv6"):
                kernel.write_sysctl(f"net.{family}.conf.all.forwarding", "1")

    def specs(self, launcher: Launcher) -> list[Spec]:
        """Its resolver and its web server; these run with the lab's own rights."""
        name, ipv4, ipv6 = NCSI
        resolver = in_member(
            self.name, *launcher.dnsmasq(), "--user=root", "--group=root", "--conf-file=/dev/null",
            "--no-hosts", "--no-resolv", "--cache-size=0",
            f"--address=/#/{self.table.ipv4}", f"--address=/#/{self.table.ipv6}", f"--host-record={name},{ipv4},{ipv6}",
        )  # fmt: skip
        web = in_member(self.name, *python("meshctl.lab.web", str(_CHAIN), str(_KEY), self.table.ipv4, self.table.ipv6))
        environment = launcher.environment()
        return [
            Spec(self.name, "resolver", resolver, environment),
            Spec(self.name, "web", web, environment, notify=True),
        ]
