"""What the standards of captive portals make of a configuration: the API's address, and whom visitors may reach.

RFC 8910 lets a network say by DHCP and router advertisements where the API of RFC 8908 is; RFC 8952, 3.4 lets
it open what a device needs before it has joined. All that is said of it anywhere begins here, so it is the same.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meshctl.settings import ConfigError, Portal

UNRESTRICTED = "urn:ietf:params:capport:unrestricted"
"""What stands in place of an API's address where there is no captive portal (RFC 8910, 2)."""

OPTIONS = "dhcp.options"
"""The file in the run folder that the resolver and the watch read: what `options_text` made."""

CHANGED = "dhcp.changed"
"""The file beside it that is there from a change of it until the resolver is asked to read it again."""

URI_LIMIT = 255
"""Bytes of the address, as one DHCPv4 option holds (RFC 8910, 2.1)."""

MOST_REACHABLE = 32

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_REACHABLE = re.compile(r"(?P<name>[^:/\s]+):(?P<port>[0-9]{1,5})(/(?P<protocol>tcp|udp))?")


@dataclass(frozen=True)
class Reachable:
    """A service that visitors may use: a name to be resolved, and its port."""

    name: str
    port: int
    protocol: Literal["tcp", "udp"] = "tcp"


def plain_address(portal: Portal) -> str:
    """Return the first page's address over plain http."""
    port = "" if portal.port == 80 else f":{portal.port}"
    return f"http://{portal.host}{port}/"


def secure_address(portal: Portal) -> str:
    """Return the first page's address over TLS."""
    port = "" if portal.https_port == 443 else f":{portal.https_port}"
    return f"https://{portal.host}{port}/"


def api_uri(portal: Portal) -> str:
    """Return the address of the API (RFC 8908, 4: over TLS alone)."""
    return f"{secure_address(portal)}captive"


def provisioned(portal: Portal, *, usable: bool) -> str | None:
    """Return what devices are told of the portal; ``usable`` says whether the certificate is good now.

    Without a certificate nothing is said: an address over plain http is not one of RFC 8908, and phones ignore it.
    """
    if not portal.splash:
        return UNRESTRICTED
    return api_uri(portal) if usable and portal.certificate else None


def options_text(uri: str | None) -> str:
    """Return a dhcp-optsfile (dnsmasq(8)) with options 114 and 103; with nothing to say, an empty one."""
    return "" if uri is None else f"114,{uri}\noption6:103,{uri}\n"


def uri_in(text: str) -> str | None:
    """Return what such a file says."""
    for line in text.splitlines():
        if line.startswith("114,"):
            return line.removeprefix("114,")
    return None


def read_reachable(text: str) -> Reachable:
    """Read ``name:port`` or ``name:port/udp``. Raises `ValueError`."""
    match = _REACHABLE.fullmatch(text)
    if match is None or not _HOST.fullmatch(match["name"]) or _is_address(match["name"]):
        raise ValueError(f"{text!r} is not a name with a port")
    if not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"{match['port']} is not a port")
    return Reachable(match["name"], int(match["port"]), "udp" if match["protocol"] == "udp" else "tcp")


def check_portal(file: Path, portal: Portal) -> None:
    """Refuse what cannot work. Raises `ConfigError`."""
    if bool(portal.certificate) != bool(portal.key):
        missing, there = ("key", "certificate") if portal.certificate else ("certificate", "key")
        fault = f"it is missing, and portal.{there} is of no use without it"
        raise ConfigError(file, f"portal.{missing}", fault, "Write both portal.certificate and portal.key, or neither.")
    if portal.certificate:
        _check_secure(file, portal)
    if len(portal.reachable) > MOST_REACHABLE:
        fault = f"{len(portal.reachable)} entries are too many"
        raise ConfigError(file, "portal.reachable", fault, f"Keep at most {MOST_REACHABLE}.")
    for index, entry in enumerate(portal.reachable):
        try:
            read_reachable(entry)
        except ValueError as fault:
            remedy = 'Write "time.example.org:123/udp" or "crl.example.org:80".'
            raise ConfigError(file, f"portal.reachable[{index}]", str(fault), remedy) from None


def _check_secure(file: Path, portal: Portal) -> None:
    if portal.https_port in (portal.port, portal.redirect_port):
        fault = f"{portal.https_port} is also portal.port or portal.redirect_port"
        raise ConfigError(file, "portal.https_port", fault, "Use three ports.")
    if _is_address(portal.host):
        fault = "an address has no certificate that phones believe"
        raise ConfigError(file, "portal.host", fault, "Write the name that portal.certificate is for.")
    if len(api_uri(portal)) > URI_LIMIT:
        raise ConfigError(
            file, "portal.host", "it is too long for a DHCP option", f"Use at most {URI_LIMIT - 30} letters."
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
