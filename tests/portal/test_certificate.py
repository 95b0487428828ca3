"""A certificate is used only when a phone would accept it; a bad one is refused with a word, and the old one stays."""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from meshctl.lab.authority import EVER, Authority
from meshctl.portal.certificate import LOOK_AGAIN, Certificate, Unusable, check

T = TypeVar("T")

NAME, NOW = "portal.lab.test", 1_800_000_000.0
AIA = "authorityInfoAccess = caIssuers;URI:http://ca.example/issuer.der\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    files = (tmp_path / "chain.pem", tmp_path / "key.pem")
    authority.issue(NAME, *files)
    return files


def another_key(authority: Authority, certificate: Path, key: Path) -> None:
    authority.issue(NAME, certificate.with_name("other.pem"), key)


def another_name(authority: Authority, certificate: Path, key: Path) -> None:
    authority.issue("elsewhere.lab.test", certificate, key)


def expired(authority: Authority, certificate: Path, key: Path) -> None:
    authority.issue(NAME, certificate, key, datetime(2021, 1, 1, tzinfo=UTC))


def not_yet_valid(authority: Authority, certificate: Path, key: Path) -> None:
    authority.issue(NAME, certificate, key, begins=datetime(2048, 1, 1, tzinfo=UTC))


def alone(authority: Authority, certificate: Path, key: Path) -> None:
    authority.issue(NAME, certificate, key, more=AIA)
    certificate.write_text(authority.leaf())


def torn_chain(authority: Authority, certificate: Path, key: Path) -> None:
    certificate.write_text(authority.leaf() + authority.root.read_text())


def garbage(authority: Authority, certificate: Path, key: Path) -> None:
    certificate.write_bytes(b"\xff\x00 no certificate")


def torn_end(authority: Authority, certificate: Path, key: Path) -> None:
    certificate.write_text(f"{certificate.read_text()}# -----BEGIN CERTIFICATE----------END CERTIFICATE-----\n")


def locked(authority: Authority, certificate: Path, key: Path) -> None:
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")


def in_time(act: Callable[[datetime], T], caplog: pytest.LogCaptureFixture) -> tuple[T, int]:
    """Do what must be done before some second, which is further away where that one came first; and that second."""
    for seconds in (1, 2, 4, 8, 16):
        comes = int(time.time()) + seconds
        caplog.clear()
        done = act(datetime.fromtimestamp(comes, UTC))
        if time.time() < comes:
            return done, comes
    raise AssertionError("every second came too early")


def issued(authority: Authority, files: tuple[Path, Path], ends: datetime = EVER) -> Certificate:
    authority.issue(NAME, *files, ends)
    certificate = Certificate(*files, NAME)
    certificate.look(ends.timestamp() - 1, 0.0)
    return certificate


BAD: list[tuple[Callable[[Authority, Path, Path], None], str]] = [
    (another_key, "is not the key of"),
    (another_name, "Hostname mismatch"),
    (expired, "certificate has expired"),
    (not_yet_valid, "not yet valid"),
    (alone, "give the full chain"),
    (torn_chain, "unable to get"),
    (garbage, "holds no certificate"),
    (torn_end, "cannot be served"),
    (locked, "not in PEM, or wants a password"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD, ids=lambda one: getattr(one, "__name__", ""))
def test_a_bad_new_file_is_refused_with_a_word_and_the_old_one_stays(
    spoil: Callable[[Authority, Path, Path], None], said: str, authority: Authority, files: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    certificate = Certificate(*files, NAME)
    assert certificate.look(NOW, 0.0)
    held = certificate.context
    spoil(authority, *files)
    with caplog.at_level(logging.WARNING, "meshctl.portal"):
        assert [certificate.look(NOW, at) for at in (2.0, 4.0, LOOK_AGAIN * 2)] == [True] * 3
    assert certificate.context is held
    assert len(caplog.records) == 1
    assert said in caplog.text
    assert "stays in use" in caplog.text
    with pytest.raises(Unusable, match=said):
        check(*files, NAME)


def test_a_remark_that_names_how_a_certificate_begins_is_no_certificate(files: tuple[Path, Path]) -> None:
    files[0].write_text(f"{files[0].read_text()}# It is all between -----BEGIN CERTIFICATE----- and its end.\n")
    assert check(*files, NAME)


def test_it_is_given_up_in_the_second_in_which_it_expires(authority: Authority, files: tuple[Path, Path]) -> None:
    end = datetime(2031, 5, 1, 12, 0, 0, tzinfo=UTC)
    authority.issue(NAME, *files, end)
    certificate = Certificate(*files, NAME)
    assert certificate.look(end.timestamp() - 1, 0.0)
    assert not certificate.look(end.timestamp(), 1.0)
    assert not certificate.usable
    assert certificate.context is not None  # who insists is still served


def test_of_one_that_has_expired_the_log_does_not_tell_again_and_again(
    authority: Authority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    certificate, end = in_time(lambda end: issued(authority, files, end), caplog)
    assert certificate.usable
    while time.time() <= end:
        time.sleep(0.05)
    with caplog.at_level(logging.WARNING, "meshctl.portal"):
        for beat in range(1, 400):
            assert not certificate.look(end + beat, float(beat))
    assert len(caplog.records) == 2


def test_it_is_given_up_when_its_issuer_ends_first_and_taken_up_with_a_new_chain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate, _ = in_time(lambda end: issued(Authority(tmp_path / f"{end:%S}", end), files), caplog)
    assert certificate.usable
    deadline, at = time.monotonic() + 10, 2.0
    with caplog.at_level(logging.WARNING, "meshctl.portal"):
        while certificate.usable and time.monotonic() < deadline:
            time.sleep(0.1)
            certificate.look(NOW, at := at + LOOK_AGAIN)
    assert (certificate.usable, certificate.left(NOW)) == (False, 0.0)
    assert "certificate has expired. Phones are told nothing" in caplog.text
    Authority(tmp_path / "long").issue(NAME, *files)
    assert certificate.look(NOW, at + 1.0)


def test_files_that_come_late_are_taken_up_and_files_that_go_are_missed(
    authority: Authority, files: tuple[Path, Path]
) -> None:
    for file in files:
        file.unlink()
    certificate = Certificate(*files, NAME)
    assert not certificate.look(NOW, 0.0)
    authority.issue(NAME, *files)
    assert certificate.look(NOW, 1.0)
    files[0].unlink()
    assert not certificate.look(NOW, 2.0)
    assert certificate.context is None


def test_a_leaf_signed_by_a_root_of_the_communitys_own_needs_no_more(
    authority: Authority, files: tuple[Path, Path]
) -> None:
    files[0].write_text(authority.leaf())
    assert not check(*files, NAME).vouched


def test_words_beside_the_certificates_may_be_in_any_script(authority: Authority, files: tuple[Path, Path]) -> None:
    marked = files[0].read_text().replace("-----BEGIN", "Subject: O=Škoda, नेटवर्क\n-----BEGIN")
    files[0].write_text(marked, encoding="utf-8")
    check(*files, NAME)


def test_one_that_was_refused_is_in_use_once_the_clock_is_in_its_span(
    authority: Authority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate(*files, NAME)
    assert certificate.look(NOW, 0.0)

    def issued_early(begins: datetime) -> ssl.SSLContext | None:
        held = certificate.context
        authority.issue(NAME, *files, begins=begins)
        certificate.look(NOW, 1.0)
        return held

    held, _ = in_time(issued_early, caplog)
    assert certificate.context is held
    deadline = time.monotonic() + 10
    at = 2.0
    while certificate.context is held and time.monotonic() < deadline:
        time.sleep(0.1)
        certificate.look(NOW, at := at + LOOK_AGAIN)
    assert certificate.context is not held


def test_a_key_that_came_by_another_way_than_writing_is_seen_at_once(
    authority: Authority, files: tuple[Path, Path]
) -> None:
    certificate = Certificate(*files, NAME)
    good, stamp = files[1].read_bytes(), files[1].stat().st_mtime_ns
    files[1].write_bytes(bytes(len(good)))
    os.utime(files[1], ns=(stamp, stamp))
    assert not certificate.look(NOW, 0.0)
    files[1].write_bytes(good)
    os.utime(files[1], ns=(stamp, stamp))
    assert certificate.look(NOW, 1.0)
