"""The portal's certificate: looked at before it is used, taken up anew when its files change, given up when it expires.

A file that cannot be used is refused with a line in the log, and the one before stays in use. What is checked is what
a phone checks: in memory, with a client of our own, that the key belongs to it, that it is for our name, that it is
valid now, and that its chain hangs together.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from meshctl.model import MeshctlError

log = logging.getLogger("meshctl.portal")

LOOK_AGAIN = 60.0
"""Seconds after which files that did not change are checked anew: a clock may have been set, an issuer expired."""

_PEM_LIMIT = 256 * 1024
_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"


class Unusable(MeshctlError):  # noqa: N818  # read aloud: "raises Unusable"
    """A certificate that no phone should be sent to; the text says why."""


@dataclass(frozen=True)
class Checked:
    """A certificate that passed: what a server needs of it, and from and until when it is valid, in seconds since 1970.

    ``vouched`` says whether this board's own list of authorities leads to it.
    """

    context: ssl.SSLContext
    since: float
    until: float
    vouched: bool


class Certificate:
    """The certificate in use, if there is one. `look` often; one thread looks, any may read."""

    def __init__(self, certificate: Path, key: Path, host: str) -> None:
        self._files, self._host = (certificate, key), host
        self._seen: object = None
        self._taken_up: object = None
        self._looked_at = 0.0
        self._said = ""
        self._in_use: Checked | None = None
        self._spoilt = self._good = False

    @property
    def context(self) -> ssl.SSLContext | None:
        """What new connections are to be answered with; `None` while there is nothing fit for it."""
        return self._in_use.context if self._in_use else None

    @property
    def usable(self) -> bool:
        """Whether phones may be sent here."""
        return self._good

    def left(self, wall: float) -> float:
        """Return for how many seconds the one in use is still valid; 0 while phones may not be sent here."""
        return max(0.0, self._in_use.until - wall) if self._in_use and self._good else 0.0

    @property
    def lifetime(self) -> float:
        """For how many seconds the one in use was made; 0 without one."""
        return self._in_use.until - self._in_use.since if self._in_use else 0.0

    def look(self, wall: float, monotonic: float) -> bool:
        """Take up what changed; return whether phones may be sent here now. ``wall`` is in seconds since 1970."""
        stamp = self._stamp()
        if stamp is None:
            self._in_use, self._seen = None, None
            self._say(f"{self._files[0]} or {self._files[1]} is not there or hidden: no page is served over TLS")
        elif stamp != self._seen or monotonic - self._looked_at >= LOOK_AGAIN:
            self._check(stamp, monotonic)
        self._good = self._in_use is not None and not self._spoilt and wall < self._in_use.until
        if self._in_use is not None and not self._good and not self._spoilt:
            self._say("the certificate has expired: phones are told nothing of it any more")
        return self._good

    def _check(self, stamp: object, monotonic: float) -> None:
        self._seen, self._looked_at = stamp, monotonic
        try:
            checked = check(*self._files, self._host)
        except Unusable as fault:
            # What was good and is the same: its issuer has ended meanwhile, or the clock was wrong.
            self._spoilt = self._spoilt or stamp == self._taken_up
            kept = " Phones are told nothing of it." if self._spoilt else " The one before stays in use."
            self._say(f"the certificate is refused: {fault}.{kept if self._in_use else ''}")
            return
        self._spoilt = False
        if stamp != self._taken_up or self._in_use is None:
            self._in_use, self._taken_up = checked, stamp
            self._said = ""
            hint = "" if checked.vouched else ", though no authority known here vouches for it"
            log.info("a certificate for %s is in use%s", self._host, hint)

    def _stamp(self) -> object:
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return None
        # ctime, too: a key that the portal may read now, and could not before, is a change.
        return [(one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev, one.st_size) for one in found]

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.warning("%s", text)


def check(certificate: Path, key: Path, host: str) -> Checked:
    """Return what a server needs, for a certificate that phones would accept. Raises `Unusable`."""
    try:
        text = certificate.read_text(encoding="latin-1")  # what stands beside the PEM may be in any script
    except OSError as fault:
        raise Unusable(f"{certificate} cannot be read: {fault}") from fault
    chain = [f"{part[part.index(_BEGIN) :]}{_END}\n" for part in text[:_PEM_LIMIT].split(_END)[:-1] if _BEGIN in part]
    if not chain:
        raise Unusable(f"{certificate} holds no certificate in PEM")
    context = _server(certificate, key)
    # Believing the last of the chain, a client must find its way from the first to it by what the server sends.
    trusting = _client()
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        trusting.load_verify_locations(cadata=chain[-1])
        leaf = _shake_hands(context, trusting, host)
    except ssl.SSLCertVerificationError as fault:
        raise Unusable(f"a phone would refuse it: {fault.verify_message}") from fault
    except ssl.SSLError as fault:
        raise Unusable(f"it cannot be served: {fault}") from fault
    vouched = _is_vouched(context, host)
    if not vouched and len(chain) == 1 and leaf.get("caIssuers"):
        raise Unusable(f"{certificate} lacks its issuer's certificate; give the full chain, as phones fetch none")
    since, until = (ssl.cert_time_to_seconds(str(leaf[key])) for key in ("notBefore", "notAfter"))
    return Checked(context, since, until, vouched)


def _server(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password: a key that wants one must not make OpenSSL ask for it on a terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as fault:
        if fault.reason == "KEY_VALUES_MISMATCH":
            raise Unusable(f"{key} is not the key of {certificate}") from fault
        raise Unusable(f"{key} or {certificate} is not in PEM, or wants a password ({fault.reason})") from fault
    except OSError as fault:
        raise Unusable(f"{key} cannot be read: {fault.strerror}") from fault
    return context


def _client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # phones look at subjectAltName alone (RFC 6125)
    return context


def _is_vouched(server: ssl.SSLContext, host: str) -> bool:
    client = _client()
    client.load_default_certs()
    try:
        _shake_hands(server, client, host)
    except ssl.SSLError:
        return False
    return True


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, object]:
    """Let a client meet a server in memory; return the server's certificate as the client read it."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(inward, outward, server_hostname=host)
    far = server.wrap_bio(outward, inward, server_side=True)
    waiting = [near, far]
    for _ in range(16):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            break
    return dict(near.getpeercert() or {})
