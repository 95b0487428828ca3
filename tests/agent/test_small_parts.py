"""Passes, tries, backoff, the hub's answers, and slow jobs over a clock that jumps."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from meshctl.agent import passes
from meshctl.agent.housekeeping import Housekeeping, Job
from meshctl.agent.sender import HubAwayError, backoff, post, read_answer
from meshctl.agent.tries import Tries
from meshctl.model import ClockReading


@pytest.mark.parametrize(
    "typed", ["7K2M-0123-4567-89AB", "7k2m o123 4567 89ab", " 7K2MO123456789AB ", "7K2M-OI23-4567-89AB"]
)
def test_a_pass_forgives_how_it_was_typed(typed: str) -> None:
    assert passes.split(typed) == ("7K2M", "0123456789AB")


@pytest.mark.parametrize("typed", ["", "7K2M", "7K2M-0123-4567-89AU", "7K2M-0123-4567-89AB-0", "Ⅻ" * 16])
def test_what_is_no_pass_is_refused_with_what_one_looks_like(typed: str) -> None:
    with pytest.raises(passes.PassError, match="16 letters"):
        passes.split(typed)


def test_a_drawn_pass_is_verified_and_no_other_is() -> None:
    handle, secret = passes.split(passes.draw())
    kept = passes.verifier(secret)

    assert len(handle) == 4
    assert passes.verify(secret, kept)
    assert not passes.verify(secret[::-1] + "0", kept)
    assert secret.encode() not in kept.digest + kept.salt


def test_wrong_passes_shut_one_device_out_for_a_while_and_nobody_else() -> None:
    tries = Tries(each=2, together=10, seconds=60)
    for moment in (0.0, 1.0):
        assert tries.may("a", moment)
        tries.failed("a", moment)

    assert not tries.may("a", 2.0)
    assert tries.may("b", 2.0)
    assert tries.may("a", 60.5)


def test_all_devices_together_cannot_guess_fast_either() -> None:
    tries = Tries(each=2, together=3, seconds=60)
    for name in "abc":
        tries.failed(name, 0.0)

    assert not tries.may("d", 1.0)


@pytest.mark.parametrize(
    ("failures", "roll", "wait"), [(0, 0.0, 30), (0, 0.5, 60), (1, 0.5, 120), (30, 0.5, 120), (30, 1.0, 180)]
)
def test_a_silent_hub_is_asked_less_and_less_often(failures: int, roll: float, wait: float) -> None:
    assert backoff(failures, 60.0, roll) == pytest.approx(wait)


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers every batch with the status that its path asks for."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        code = int(self.path.split("/")[1])
        body = b'{"accepted": [[1, 4]], "refused": []}'
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_a_batch_the_hub_took_is_settled(hub: str) -> None:
    answer = read_answer([4], post(f"{hub}/200", b"{}"))

    assert answer.settled == {4}
    assert answer.kept == 1


def test_a_batch_that_will_never_be_taken_is_dropped(hub: str) -> None:
    assert read_answer([4, 5], post(f"{hub}/400", b"{}")).settled == {4, 5}


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_batch_is_kept_while_the_hub_is_in_trouble(hub: str, code: int) -> None:
    with pytest.raises(HubAwayError, match=str(code)):
        post(f"{hub}/{code}", b"{}")


@pytest.mark.parametrize("reply", [b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{", b"\0\0\0 what\r\n\r\n"])
def test_a_hub_that_dies_in_the_middle_of_a_word_keeps_the_batch(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def hang_up() -> None:
            caller, _ = listener.accept()
            with caller:
                asked = b""
                while not asked.endswith(b"{}"):
                    asked += caller.recv(65536)
                caller.sendall(reply)

        speaking = threading.Thread(target=hang_up)
        speaking.start()
        with pytest.raises(HubAwayError, match="does not answer"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}", b"{}")
        speaking.join()


def test_a_hub_that_is_not_there_and_one_that_talks_nonsense_keep_the_batch() -> None:
    with pytest.raises(HubAwayError, match="does not answer"):
        post("http://127.0.0.1:9", b"{}")
    for nonsense in (
        b"<html>",
        b"[]",
        json.dumps({"accepted": "all"}).encode(),
        b"null",
        b'{"accepted": [[1, Infinity]]}',
        b"[" * 200_000,
    ):
        with pytest.raises(HubAwayError, match="no sense"):
            read_answer([1], nonsense)


@pytest.mark.parametrize("jump", [56 * 365 * 86400.0, -86400.0 * 365])
def test_slow_jobs_survive_a_clock_that_jumps_without_running_what_was_missed(jump: float) -> None:
    ran: list[float] = []
    keeping = Housekeeping([Job("count", 60, lambda: ran.append(time.monotonic()))])
    keeping.heed(ClockReading(10.0, 1000.0 + max(0.0, -jump), trusted=False))
    keeping.heed(ClockReading(12.0, 1002.0 + max(0.0, -jump), trusted=False))
    assert keeping.restarts == 0
    began = time.process_time()  # a busy machine is not work
    keeping.heed(ClockReading(14.0, 1004.0 + max(0.0, -jump) + jump, trusted=True))

    assert keeping.restarts == 1
    assert time.process_time() - began < 1.0
    assert ran == []
    keeping.stop()
