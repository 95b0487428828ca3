"""The far end of every uplink: one namespace that answers every name and serves known bytes."""

from __future__ import annotations

from meshctl.lab import kernel
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, in_member, python
from meshctl.lab.probes import SECURE
from meshctl.lab.supervisor import Spec
from meshctl.lab.tables import INTERNET, InternetTable

NCSI = ("dns.msftncsi.com", "131.107.255.255", "fd3e:4f5a:5b81::1")
"""The name that Windows resolves to learn whether it is online, and what it expects."""


CERTIFICATE = ROOM / "internet.pem"
"""Of its web server, for the hosts that phones ask over https: who believes this file, believes them."""


class Internet:
    """The member called "internet"."""

    name = INTERNET

    def __init__(self, table: InternetTable) -> None:
        self.table = table

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
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=internet"
        names = "subjectAltName=" + ",".join(f"DNS:{host}" for host in SECURE)
        file = str(CERTIFICATE)
        kernel.run(["openssl", *words.split(), "-addext", names, "-keyout", file, "-out", file])
        web = in_member(self.name, *python("meshctl.lab.web", file, self.table.ipv4, self.table.ipv6))
        environment = launcher.environment()
        return [
            Spec(self.name, "resolver", resolver, environment),
            Spec(self.name, "web", web, environment, notify=True),
        ]
