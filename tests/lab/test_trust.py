"""A lab's programs believe its authority besides those of the machine, whose own files stay as they are."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from meshctl.lab.authority import Authority
from meshctl.lab.trust import BUNDLE, believe
from meshctl.portal.certificate import check

NAME = "www.lab.test"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    certs = tmp_path / "machine" / "ssl" / "certs"
    certs.mkdir(parents=True)
    public = Authority(tmp_path / "public").root
    (certs / BUNDLE).write_bytes(public.read_bytes())
    (certs.parent / "openssl.cnf").write_text("[a]\n", encoding="ascii")
    return tmp_path / "machine"


def listing(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_openssl_finds_the_root_in_the_bundle_and_by_its_hash(machine: Path, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "ssl").symlink_to(machine / "ssl")
    before = listing(machine)
    authority = Authority(tmp_path / "authority")
    authority.issue(NAME, tmp_path / "chain.pem", tmp_path / "key.pem")
    believe(authority.root, etc)

    assert listing(machine) == before
    certs = etc / "ssl" / "certs"
    for client in (
        ssl.create_default_context(cafile=str(certs / BUNDLE)),
        ssl.create_default_context(capath=str(certs)),
    ):
        server = check(tmp_path / "chain.pem", tmp_path / "key.pem", NAME).context
        assert shakes_hands(client, server)
    assert (machine / "ssl" / "certs" / BUNDLE).read_text() in (certs / BUNDLE).read_text()
    assert (etc / "ssl" / "openssl.cnf").read_text() == "[a]\n"


def test_a_machine_that_believes_nobody_has_a_lab_that_believes_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    believe(authority.root, tmp_path)
    assert (tmp_path / "ssl" / "certs" / BUNDLE).read_bytes() == authority.root.read_bytes()


def shakes_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    near, far = (
        client.wrap_bio(inward, outward, server_hostname=NAME),
        server.wrap_bio(outward, inward, server_side=True),
    )
    for end in (near, far, near, far):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return near.version() is not None
