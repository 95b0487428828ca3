"""A portal with a door of TLS, on real sockets, under a certificate of an authority of the tests' own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from meshctl.config import Config
from meshctl.lab.authority import Authority
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.captive import create_captive
from meshctl.portal.certificate import Certificate
from meshctl.portal.listeners import Listeners
from meshctl.portal.tls import open_secure
from meshctl.service import listen_tcp

HERE, NAME = "127.0.0.1", "portal.lab.test"
NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Secure:
    """A running portal. ``certificate`` is the test's own to look at its files."""

    port: int
    plain: int
    authority: Authority
    certificate: Certificate
    files: tuple[Path, Path]

    def issue(self, name: str = NAME) -> None:
        self.authority.issue(name, *self.files)

    def client(self) -> ssl.SSLContext:
        """What a phone that believes the authority, and fetches no issuer's certificate, brings along."""
        context = ssl.create_default_context(cafile=str(self.authority.root))
        context.check_hostname = True
        return context

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection((HERE, self.port), timeout=5)
        return self.client().wrap_socket(plain, server_hostname=NAME)

    def ask(self, request: str, *headers: str) -> str:
        """One request on a connection of its own, as text."""
        lines = [f"{request} HTTP/1.1", f"Host: {NAME}", "Connection: close", *headers, "", ""]
        with self.connect() as connection:
            connection.sendall("\r\n".join(lines).encode())
            pieces = []
            while piece := connection.recv(65536):
                pieces.append(piece)
        return b"".join(pieces).decode()


@contextmanager
def secure_portal(config: Config, authority: Authority, folder: Path) -> Iterator[Secure]:
    files = (folder / "chain.pem", folder / "key.pem")
    portal = replace(config.portal, host=NAME, certificate=str(files[0]), key=str(files[1]))
    config = replace(config, portal=portal)
    authority.issue(NAME, *files)
    certificate = Certificate(*files, NAME)
    certificate.look(NOW, 0.0)
    with (
        AgentClient(config.socket, seconds=2.0) as client,
        closing(listen_tcp(HERE, 0)) as plain,
        closing(listen_tcp(HERE, 0)) as captive,
        closing(listen_tcp(HERE, 0)) as secure,
    ):
        pages = create_portal(client, config, certificate)
        listeners = Listeners(pages, create_captive(config), [plain], [captive])
        open_secure(listeners, pages, [secure], certificate)
        loop = threading.Thread(target=listeners.run)
        loop.start()
        try:
            yield Secure(secure.getsockname()[1], plain.getsockname()[1], authority, certificate, files)
        finally:
            listeners.stop()
            loop.join(timeout=10)
            assert not loop.is_alive()
