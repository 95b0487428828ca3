"""Who asks what to learn whether a network lets them out: one row by client, with hosts, headers, order and patience.

`ways` of a client are asked in this order; which of them together, `judge.py` and `probing.py` know by
its ``rule``. No client follows redirects while it probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from meshctl.doctor.names import TRUE
from meshctl.doctor.observed import Ask, Family, Headers

Rule = Literal["apple", "android", "chromeos", "windows", "firefox", "networkmanager", "marker", "empty"]
"""How a client reads replies. *marker*: the body holds a text; *empty*: status 204."""

Role = Literal["http", "https", "fallback", "ipv4", "ipv6"]


@dataclass(frozen=True)
class Way:
    """One address that a client asks, and the text by which it knows the true reply; empty where that is a 204."""

    role: Role
    url: str
    expects: str = ""
    family: Family = 0


@dataclass(frozen=True)
class Client:
    """One system or program. ``names`` are what it looks up beside, with the addresses that are true.

    ``portal`` is what it does when it sees a portal. ``step`` is its wait, in seconds, before it tries
    the other family's address.
    """

    key: str
    group: str
    name: str
    rule: Rule
    ways: tuple[Way, ...]
    source: str
    headers: Headers = ()
    seconds: float = 10.0
    step: float = 0.3
    version: Literal["1.0", "1.1"] = "1.1"
    names: tuple[tuple[str, str], ...] = ()
    portal: str = "opens the sign-in page by itself"
    uses_api: bool = False

    def ask(self, way: Way, most: float | None = None) -> Ask:
        """The request for one of its ways; ``most`` caps its patience, in seconds."""
        seconds = self.seconds if most is None else min(self.seconds, most)
        return Ask(way.url, self.headers, seconds, way.family, min(self.step, seconds), self.version)


_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
_CLOSE = ("Connection", "close")
_APPLE: Headers = (("User-Agent", "CaptiveNetworkSupport-511 wispr"), _CLOSE)
_OLD_APPLE: Headers = (("User-Agent", "CaptiveNetworkSupport-346.50.1 wispr"), _CLOSE)
_ANDROID: Headers = (("Connection", "close"), ("User-Agent", _CHROME.format("60.0.3112.32")))
_CHROMEOS: Headers = (("User-Agent", _CHROME.format("89.0.4389.114")),)
_NCSI: Headers = (("Connection", "Close"), ("User-Agent", "Microsoft NCSI"))
_CURL: Headers = (("Accept", "*/*"), _CLOSE)
_FIREFOX: Headers = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "*/*"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip"),
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Connection", "keep-alive"),
)
_KINDLE: Headers = (
    ("User-Agent", "Mozilla/5.0 (Linux; U; en-US) AppleWebKit/528.5+ (KHTML, like Gecko, Safari/528.5+) Kindle/4.0"),
    ("Accept", "*/*"),
)
_EDGE: Headers = (("User-Agent", _CHROME.format("138.0.0.0") + " Edg/138.0.0.0"), ("Connection", "keep-alive"))

_SUCCESS = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_CANONICAL = '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
_ONLINE = "NetworkManager is online"
_STUB = "81ce4465-7167-4dcb-835b-dcc9e44c112a"

_NCSI_NAMES = tuple(("dns.msftncsi.com", address) for address in TRUE)
_AOSP = "AOSP NetworkStack, NetworkMonitor.java"
_SHILL = "ChromiumOS shill, portal_detector.cc"
_MICROSOFT = "Microsoft Learn, NCSI frequently asked questions"
_MOZILLA = "Firefox, CaptiveDetect and network connectivity service"
_NM = "NetworkManager, nm-connectivity.c"
_WBA = "Wireless Broadband Alliance, captive network portal notes"
_SEEN = "as seen on the wire"
_SIGN_IN = "asks to sign in to the network"
_NOTICE = "offers the sign-in page in a notice"


def _apple(key: str, name: str, url: str, headers: Headers, *, uses_api: bool = False) -> Client:
    way = Way("http", url, _SUCCESS)
    return Client(key, "apple", name, "apple", (way,), _WBA, headers, version="1.0", uses_api=uses_api)


def _old_apples() -> Iterator[Client]:
    hosts = (
        "www.apple.com", "www.appleiphonecell.com", "www.airport.us", "www.ibook.info", "www.itools.info",
        "www.thinkdifferent.us", "gsp1.apple.com", "netcts.cdn-apple.com",
    )  # fmt: skip
    for host in hosts:
        short = host.removeprefix("www.").partition(".")[0]
        yield _apple(f"apple-{short}", f"Older Apple, {short}", f"http://{host}/library/test/success.html", _OLD_APPLE)


def _android(key: str, name: str, http: str, https: str = "", *fallbacks: str, group: str = "vendor") -> Client:
    ways = [Way("http", http), *([Way("https", https)] if https else []), *(Way("fallback", one) for one in fallbacks)]
    return Client(key, group, name, "android", tuple(ways), _AOSP, _ANDROID, step=10.0, portal=_SIGN_IN, uses_api=True)


def _vendor(key: str, name: str, host: str) -> Client:
    # What a vendor puts in place of Google's address; the rest of its system is Android's.
    return replace(_android(key, name, f"http://{host}/generate_204"), source=_SEEN)


def _networkmanager(key: str, name: str, url: str, expects: str) -> Client:
    ways = (Way("ipv4", url, expects, 4), Way("ipv6", url, expects, 6))
    return Client(key, "networkmanager", name, "networkmanager", ways, _NM, _CURL, 20.0)


def _empty(key: str, name: str, url: str, source: str, headers: Headers, portal: str) -> Client:
    return Client(key, "program", name, "empty", (Way("http", url),), source, headers, 5.0, portal=portal)


_GOOGLE = ("https://www.google.com/generate_204", "http://www.google.com/gen_204")

CATALOGUE: tuple[Client, ...] = (
    _apple("apple", "iPhone, iPad, Mac", "http://captive.apple.com/hotspot-detect.html", _APPLE, uses_api=True),
    *_old_apples(),
    _android(
        "android", "Android", "http://connectivitycheck.gstatic.com/generate_204", *_GOOGLE,
        "http://play.googleapis.com/generate_204", group="android",
    ),
    _android("android-5", "Android 5", "http://clients3.google.com/generate_204", group="android"),
    _android("android-6", "Android 6", "http://connectivitycheck.android.com/generate_204", group="android"),
    _android(
        "grapheneos", "GrapheneOS", "http://connectivitycheck.grapheneos.network/generate_204",
        "https://connectivitycheck.grapheneos.network/generate_204",
        "http://connectivitycheck.grapheneos.network/gen_204", group="android",
    ),
    Client(
        "chromeos", "chromeos", "Chromebook", "chromeos",
        (
            Way("http", "http://www.gstatic.com/generate_204"), Way("https", _GOOGLE[0]),
            Way("fallback", "http://safebrowsing.google.com/generate_204"),
            Way("fallback", "http://www.googleapis.com/generate_204"),
        ),
        _SHILL, _CHROMEOS, portal=_NOTICE,
    ),
    _vendor("samsung", "Samsung (China)", "connectivity.samsung.com.cn"),
    _vendor("xiaomi", "Xiaomi", "connect.rom.miui.com"),
    _vendor("huawei", "Huawei, Honor", "connectivitycheck.platform.hicloud.com"),
    _vendor("oppo", "Oppo, OnePlus, Realme", "conn1.oppomobile.com"),
    _vendor("vivo", "Vivo", "wifi.vivo.com.cn"),
    Client(
        "windows", "windows", "Windows 10 and 11", "windows",
        (
            Way("ipv4", "http://www.msftconnecttest.com/connecttest.txt", "Microsoft Connect Test", 4),
            Way("ipv6", "http://ipv6.msftconnecttest.com/connecttest.txt", "Microsoft Connect Test", 6),
        ),
        _MICROSOFT, _NCSI, names=_NCSI_NAMES, portal="opens the sign-in page in the browser",
    ),
    Client(
        "windows-8", "windows", "Windows 7 to 8.1", "windows",
        (
            Way("ipv4", "http://www.msftncsi.com/ncsi.txt", "Microsoft NCSI", 4),
            Way("ipv6", "http://ipv6.msftncsi.com/ncsi.txt", "Microsoft NCSI", 6),
        ),
        _MICROSOFT, _NCSI, names=_NCSI_NAMES, portal=_NOTICE,
    ),
    Client(
        "firefox", "firefox", "Firefox", "firefox",
        (
            Way("http", "http://detectportal.firefox.com/canonical.html", _CANONICAL),
            Way("ipv4", "http://detectportal.firefox.com/success.txt?ipv4", "success\n", 4),
            Way("ipv6", "http://detectportal.firefox.com/success.txt?ipv6", "success\n", 6),
        ),
        _MOZILLA, _FIREFOX, 5.0, portal="offers the sign-in page in a bar",
    ),
    _networkmanager("gnome", "GNOME", "http://nmcheck.gnome.org/check_network_status.txt", _ONLINE),
    _networkmanager("debian", "Debian", "http://network-test.debian.org/nm", _ONLINE),
    _networkmanager("ubuntu", "Ubuntu", "http://connectivity-check.ubuntu.com/", ""),
    _networkmanager("fedora", "Fedora", "http://fedoraproject.org/static/hotspot.txt", "OK"),
    _networkmanager("arch", "Arch Linux", "http://ping.archlinux.org/", _ONLINE),
    replace(_networkmanager("kde", "KDE", "http://networkcheck.kde.org/", "OK"), portal=_NOTICE),
    Client(
        "kindle", "kindle", "Kindle", "marker",
        (
            Way("http", "http://spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html", _STUB),
            Way("fallback", "http://spectrum.s3.amazonaws.com/kindle-wifi/wifiredirect.html", _STUB),
        ),
        _SEEN, _KINDLE, 20.0,
    ),
    replace(_android("fire", "Fire tablet", "http://fireoscaptiveportal.com/generate_204", group="kindle"),
            source=_SEEN, uses_api=False),
    _empty("edge", "Edge", "http://edge-http.microsoft.com/captiveportal/generate_204", _SEEN, _EDGE,
           "opens the sign-in page in a tab"),
    _empty("steam", "Steam", "http://test.steampowered.com/204", _SEEN,
           (("User-Agent", "Valve/Steam HTTP Client 1.0"), ("Accept", "text/html,*/*;q=0.9")), "waits for the sign-in"),
    _empty("cloudflare", "Cloudflare", "http://cp.cloudflare.com/generate_204", _SEEN, (), "waits for the sign-in"),
)  # fmt: skip
"""Every client, in the order it is told of."""

BROWSER: Headers = (
    ("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Accept-Encoding", "gzip"),
)
"""What the sheet that shows a sign-in page sends."""


def choose(words: Iterable[str]) -> tuple[Client, ...]:
    """The clients of these keys or groups, all where there is no word. Raises `KeyError` for one that is neither."""
    wanted = [word for word in words if word]
    known = {client.key for client in CATALOGUE} | {client.group for client in CATALOGUE}
    for word in wanted:
        if word not in known:
            raise KeyError(word)
    return tuple(one for one in CATALOGUE if not wanted or one.key in wanted or one.group in wanted)
