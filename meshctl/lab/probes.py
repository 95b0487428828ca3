"""What the makers of phones and desktops serve to tell that a device is online, by host and path."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """One answer; an empty body with 204 is what most probes wait for."""

    status: int
    body: bytes = b""
    kind: str = "text/plain"


_EMPTY = Reply(204)
_APPLE = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_KINDLE = Reply(200, b"<html><body>81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>\n", "text/html")
_FIREFOX = b'<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
_APPLE_HOSTS = (
    "captive.apple.com", "www.apple.com", "www.appleiphonecell.com", "www.airport.us", "www.ibook.info",
    "www.itools.info", "www.thinkdifferent.us", "gsp1.apple.com", "netcts.cdn-apple.com",
)  # fmt: skip

BY_PATH: dict[str, Reply] = {"/generate_204": _EMPTY, "/gen_204": _EMPTY}
"""Served on every host: Android, ChromeOS and most vendors."""

BY_HOST: dict[tuple[str, str], Reply] = {
    **{(host, "/hotspot-detect.html"): Reply(200, _APPLE + b"\n", "text/html") for host in _APPLE_HOSTS},
    **{(host, "/library/test/success.html"): Reply(200, _APPLE, "text/html") for host in _APPLE_HOSTS},
    ("www.msftconnecttest.com", "/connecttest.txt"): Reply(200, b"Microsoft Connect Test"),
    ("ipv6.msftconnecttest.com", "/connecttest.txt"): Reply(200, b"Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt"): Reply(200, b"Microsoft NCSI"),
    ("ipv6.msftncsi.com", "/ncsi.txt"): Reply(200, b"Microsoft NCSI"),
    ("detectportal.firefox.com", "/canonical.html"): Reply(200, _FIREFOX, "text/html"),
    ("detectportal.firefox.com", "/success.txt"): Reply(200, b"success\n"),
    ("nmcheck.gnome.org", "/check_network_status.txt"): Reply(200, b"NetworkManager is online"),
    ("connectivity-check.example", "/nm"): Reply(200, b"NetworkManager is online\n"),
    ("network-test.debian.org", "/nm"): Reply(200, b"NetworkManager is online\n"),
    ("connectivity-check.ubuntu.com", "/"): _EMPTY,
    ("fedoraproject.org", "/static/hotspot.txt"): Reply(200, b"OK"),
    ("ping.archlinux.org", "/"): Reply(200, b"NetworkManager is online\n"),
    ("networkcheck.kde.org", "/"): Reply(200, b"OK\n"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"): _KINDLE,
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifiredirect.html"): _KINDLE,
    ("fireoscaptiveportal.com", "/generate_204"): _EMPTY,
    ("test.steampowered.com", "/204"): _EMPTY,
    ("edge-http.microsoft.com", "/captiveportal/generate_204"): _EMPTY,
}

SECURE = ("www.google.com", "connectivitycheck.grapheneos.network")
"""Hosts that are asked over https too, and so need a certificate for their names."""

ELSEWHERE = Reply(200, b"<!doctype html><title>The lab's internet</title><p>You reached the internet.\n", "text/html")


def reply_to(host: str, path: str) -> Reply:
    """The true answer of that host at that path; a friendly page where it is none of these."""
    name = host.lower().rsplit(":", 1)[0] if not host.endswith("]") else host
    known = BY_HOST.get((name, path)) or BY_PATH.get(path)
    return known or ELSEWHERE
