"""However slowly somebody answers, the doctor's patience ends when a client's would, and at once on Ctrl-C."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from meshctl.doctor.commands import STOPPED, doctor
from meshctl.doctor.fetch import Net, fetch
from meshctl.doctor.names import Kind, Looked
from meshctl.doctor.observed import Ask
from meshctl.doctor.resolver import Resolver
from meshctl.lab.kernel import inside_net
from tests.doctor.authority import Authority
from tests.doctor.planted import OWN6, Behaviour, Planted

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Loopback(Resolver):
    """Knows every name, at this machine."""

    def look(self, name: str, kind: Kind) -> Looked:
        return Looked(name, kind, ("127.0.0.1",) if kind == "A" else ("::1",))


@contextmanager
def serving(family: socket.AddressFamily, answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """One connection is accepted and answered so, at the port given."""
    with socket.socket(family) as listening:
        listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listening.listen()

        def once() -> None:
            channel, _ = listening.accept()
            with channel, suppress(OSError):
                answer(channel)

        thread = threading.Thread(target=once)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("words", [HEAD[:12] + b"y" * 500, HEAD[:-2] + b"X-Y: z\r\n" * 90, HEAD + b"hello"])
def test_bytes_that_drip_are_waited_for_no_longer_than_the_whole_patience(words: bytes) -> None:
    ended = threading.Event()

    def drip(channel: socket.socket) -> None:
        for one in words[:-1]:
            if ended.wait(0.1):
                return
            channel.send(bytes((one,)))
        ended.wait(5)

    with serving(socket.AF_INET, drip) as port:
        began = time.monotonic()
        heard = fetch(Net(Loopback(()), ssl.create_default_context()), Ask(f"http://127.0.0.1:{port}/", seconds=0.5))
        took = time.monotonic() - began
        ended.set()

    assert heard.trouble == "late"
    assert took < 1.5


def test_tls_has_the_whole_patience_though_the_other_family_would_be_tried_soon(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.certificate("mesh.test"))

    def slowly(channel: socket.socket) -> None:
        threading.Event().wait(0.4)
        with server.wrap_socket(channel, server_side=True) as secure:
            secure.recv(1000)
            secure.sendall(HEAD + b"hello")

    net = Net(Loopback(()), ssl.create_default_context(cafile=str(authority.ca)))
    with serving(socket.AF_INET6, slowly) as port:
        heard = fetch(net, Ask(f"https://mesh.test:{port}/", seconds=5.0, step=0.1))

    assert (heard.trouble, heard.body) == ("", b"hello")


@pytest.mark.kernel
def test_ctrl_c_ends_it_at_once_though_requests_are_patient(planted: Planted) -> None:
    with inside_net(planted.member):
        resolver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        resolver.bind((OWN6, 53))
    words = ("ip", "netns", "exec", planted.member, sys.executable, "-m", "meshctl", "doctor", "--portal")
    with (
        resolver,
        subprocess.Popen([*words, "--resolver", OWN6], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as one,
    ):
        resolver.settimeout(30)
        resolver.recv(512)
        one.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = one.communicate(timeout=60)

    assert (one.returncode, b"Stopped" in said) == (STOPPED, True)
    assert time.monotonic() - began < 2


@pytest.mark.kernel
def test_a_resolver_that_is_there_and_silent_is_the_networks_fault(planted: Planted) -> None:
    planted.behave(Behaviour())
    with inside_net(planted.member), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as resolver:
        resolver.bind((OWN6, 53))
        fixed = ("--portal", "--only", "apple", "--timeout", "0.1")
        done = CliRunner().invoke(doctor, [*fixed, "--resolver", OWN6])

    assert done.exit_code == 1
    assert f"resolver-silent: the resolver {OWN6}" in done.output
