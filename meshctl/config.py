"""One TOML file becomes one frozen value, checked whole before anything starts.

An unknown key, a wrong type or a figure out of bounds is a `ConfigError` that names the file, the
key and the remedy; the programs end with exit code 2 and have touched nothing.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TypeVar

from meshctl.captivity import check_portal
from meshctl.commons.charter import breaches
from meshctl.fields import FieldError, read_table
from meshctl.model import Policy
from meshctl.settings import (
    Access,
    Config,
    ConfigError,
    Database,
    Fleet,
    HubConfig,
    Line,
    Listen,
    Mesh,
    Network,
    Node,
    Paths,
    Portal,
    Report,
    Resolver,
    Session,
    Shaping,
    Users,
)

__all__ = [
    "DEFAULT_HUB",
    "DEFAULT_NODE",
    "Access",
    "Config",
    "ConfigError",
    "Database",
    "Fleet",
    "HubConfig",
    "Line",
    "Listen",
    "Mesh",
    "Network",
    "Node",
    "Paths",
    "Policy",
    "Portal",
    "Report",
    "Resolver",
    "Session",
    "Shaping",
    "Users",
    "load_hub",
    "load_node",
]

DEFAULT_NODE = Path("/etc/meshctl/meshctl.toml")
DEFAULT_HUB = Path("/etc/meshctl/hub.toml")

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_LONGEST_NAME, _LONGEST_HELP = 90, 240
"""Bytes of words that stand on every page, as the page carries them: with them none is over 14 kB."""


def load_node(file: Path = DEFAULT_NODE) -> Config:
    """Read and check a node's file. Raises `ConfigError`."""
    config = _load(file, Config)
    for check in (_check_names, _check_words, _check_devices, _check_prefixes, _check_figures, _check_mesh):
        check(file, config)
    check_portal(file, config.portal)
    return config


def load_hub(file: Path = DEFAULT_HUB) -> HubConfig:
    """Read and check a hub's file. Raises `ConfigError`."""
    config = _load(file, HubConfig)
    for address in config.listen.addresses:
        host, colon, port = address.rpartition(":")
        if not (colon and host and port.isdigit() and 0 <= int(port) < 65536):
            raise ConfigError(file, "listen.addresses", f"{address!r} is not host:port", 'Write "0.0.0.0:8090".')
    _check_community(file, "fleet.community", config.fleet.community)
    if "://" not in config.database.url:
        fault = f"{config.database.url!r} is not a database URL"
        raise ConfigError(file, "database.url", fault, 'Write "sqlite:////var/lib/meshctl-hub/hub.db".')
    return config


def _load(file: Path, shape: type[T]) -> T:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(file, "file", "it does not exist", "Create it or name another with --config.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(file, "file", f"it cannot be read: {fault}", "Check its owner and encoding.") from fault
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(file, "file", f"it is not TOML: {fault}", "Mend that line.") from fault
    if "file" in table:
        raise ConfigError(file, "file", "unknown key", "Remove it.")
    try:
        return read_table(shape, {**table, "file": str(file)})
    except FieldError as fault:
        raise ConfigError(file, fault.key, fault.fault, fault.remedy) from None


def _check_names(file: Path, config: Config) -> None:
    if not _NAME.fullmatch(config.node.name):
        remedy = "Use 1 to 32 lower-case letters, digits and inner hyphens."
        raise ConfigError(file, "node.name", f"{config.node.name!r} is not a node name", remedy)
    if not _HOST.fullmatch(config.portal.host):
        fault = f"{config.portal.host!r} is not a host name"
        raise ConfigError(file, "portal.host", fault, 'Write a name such as "mesh.home".')
    if config.report.hub and not re.match(r"https?://[^/\s]", config.report.hub):
        fault = f"{config.report.hub!r} is not a web address"
        raise ConfigError(file, "report.hub", fault, 'Write "http://host:port", or "" to send no reports.')


def _check_words(file: Path, config: Config) -> None:
    for key, text, most in (
        ("network.name", config.network.name, _LONGEST_NAME),
        ("portal.help", config.portal.help, _LONGEST_HELP),
        ("portal.help_place", config.portal.help_place, _LONGEST_HELP),
    ):
        if (size := len(escape(text).encode())) > most:
            remedy = f"Use at most {most}, which are {most // 3} letters of Hindi, so that every page stays small."
            raise ConfigError(file, key, f"it has {size} bytes", remedy)
        if any(unicodedata.category(letter) == "Cc" for letter in text):
            raise ConfigError(file, key, "it has a line's end or another control character", "Write it on one line.")


def _check_devices(file: Path, config: Config) -> None:
    if not config.access:
        raise ConfigError(file, "access", "no device faces neighbours", "Add an [[access]] table.")
    if len(config.line) > 1:
        raise ConfigError(file, "line", "more than one uplink", "Keep one [[line]]; give others to other nodes.")
    named = [(f"access[{i}].device", a.device) for i, a in enumerate(config.access)]
    named += [(f"line[{i}].device", line.device) for i, line in enumerate(config.line)]
    named += [(f"mesh.devices[{i}]", device) for i, device in enumerate(config.mesh.devices)]
    seen: dict[str, str] = {}
    for key, device in named:
        if not _DEVICE.fullmatch(device):
            raise ConfigError(file, key, f"{device!r} is not a device name", 'Write a name such as "br-lan".')
        if device in seen:
            remedy = "A device faces neighbours, other nodes or the line: name another."
            raise ConfigError(file, key, f"{device!r} is also {seen[device]}", remedy)
        seen[device] = key


def _check_prefixes(file: Path, config: Config) -> None:
    networks: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    for index, access in enumerate(config.access):
        for key, text, parse in (
            (f"access[{index}].ipv4", access.ipv4, ipaddress.IPv4Interface),
            (f"access[{index}].ipv6", access.ipv6, ipaddress.IPv6Interface),
        ):
            networks.append((key, _own_prefix(file, key, text, parse)))
    for at, (key, network) in enumerate(networks):
        for other, earlier in networks[:at]:
            if network.version == earlier.version and network.overlaps(earlier):
                raise ConfigError(file, key, f"{network} overlaps {other} ({earlier})", "Give each its own prefix.")


def _own_prefix(
    file: Path, key: str, text: str, parse: type[ipaddress.IPv4Interface] | type[ipaddress.IPv6Interface]
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    example = "10.44.0.1/22" if parse is ipaddress.IPv4Interface else "fd44::1/64"
    try:
        interface = parse(text)
    except ValueError as fault:
        raise ConfigError(file, key, f"{fault}", f'Write the node\'s own address, such as "{example}".') from None
    network: ipaddress.IPv4Network | ipaddress.IPv6Network = interface.network
    if interface.version == 6 and network.prefixlen != 64:
        raise ConfigError(file, key, f"/{network.prefixlen} cannot be used by phones", "Use a /64 (RFC 4862).")
    if interface.version == 4 and not 8 <= network.prefixlen <= 29:
        raise ConfigError(file, key, f"/{network.prefixlen} leaves no room for phones", "Use /8 to /29.")
    if interface.ip == network.network_address and interface.version == 4:
        raise ConfigError(file, key, f"{text} is the prefix, not an address", f'Write "{example}".')
    return network


def _check_figures(file: Path, config: Config) -> None:
    session = config.session
    for breach in breaches(config.policy):
        raise ConfigError(file, f"policy.{breach.key}", breach.fault, breach.remedy)
    bounds: list[tuple[str, float, float, float]] = [
        ("portal.port", config.portal.port, 1, 65535),
        ("portal.redirect_port", config.portal.redirect_port, 1, 65535),
        ("portal.https_port", config.portal.https_port, 1, 65535),
        ("session.guest_hours", session.guest_hours, 0.001, 24 * 366),
        ("session.household_hours", session.household_hours, 0.001, 24 * 366),
        ("report.seconds", config.report.seconds, 1, 86_400),
        ("mesh.port", config.mesh.port, 1, 65535),
        ("mesh.babel_port", config.mesh.babel_port, 1, 65535),
        ("mesh.hello_seconds", config.mesh.hello_seconds, 0.5, 60),
    ]
    for index, line in enumerate(config.line):
        bounds.append((f"line[{index}].down_mbit", line.down_mbit, 0.1, 100_000))
        bounds.append((f"line[{index}].up_mbit", line.up_mbit, 0.1, 100_000))
    for index, access in enumerate(config.access):
        bounds += [(f"access[{index}].open_ports", port, 1, 65535) for port in access.open_ports]
    for key, value, low, high in bounds:
        if not low <= value <= high:
            raise ConfigError(file, key, f"{value:g} is out of bounds", f"Use {low:g} to {high:g}.")
    for index, server in enumerate(config.resolver.upstream):
        try:
            ipaddress.ip_address(server)
        except ValueError:
            fault = f"{server!r} is not an address"
            raise ConfigError(file, f"resolver.upstream[{index}]", fault, 'Write "9.9.9.9" or such.') from None
    _one_of(file, "shaping.leaf", config.shaping.leaf, ("auto", "pfifo", "fq_codel", "cake"))
    _one_of(file, "shaping.offloads", config.shaping.offloads, ("auto", "keep"))
    if config.portal.port == config.portal.redirect_port:
        raise ConfigError(file, "portal.redirect_port", "it equals portal.port", "Use two ports.")


def _one_of(file: Path, key: str, value: str, allowed: Iterable[str]) -> None:
    if value not in tuple(allowed):
        raise ConfigError(file, key, f"{value!r} is unknown", f"Use one of: {', '.join(allowed)}.")


def _check_mesh(file: Path, config: Config) -> None:
    mesh = config.mesh
    if mesh.devices and not mesh.community:
        remedy = "Write the community's public key, as `meshctl community new` printed it."
        raise ConfigError(file, "mesh.community", "it is missing, so no roster could be believed", remedy)
    _check_community(file, "mesh.community", mesh.community)


def _check_community(file: Path, key: str, text: str) -> None:
    try:
        good = not text or len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        good = False
    if not good:
        remedy = "Write the community's public key, as `meshctl community new` printed it."
        raise ConfigError(file, key, "it is not the base64 of a 32-byte key", remedy)
