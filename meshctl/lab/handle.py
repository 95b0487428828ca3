"""A lab as tests, bench and demo hold it: raise it, look, run things in it, end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshctl.lab import netmanager
from meshctl.lab import place as places
from meshctl.lab.change import Changeable
from meshctl.lab.entry import enter_words, separation_note, system_environment, unshare_words
from meshctl.lab.fault import LabError
from meshctl.lab.needs import check_programs
from meshctl.lab.pids import outer_pids
from meshctl.lab.place import Place
from meshctl.lab.shelter import PACKAGE
from meshctl.lab.tables import Topology
from meshctl.lab.topology import MESH, load_topology
from meshctl.service import listen_tcp
from meshctl.wire import decode_line, encode_line

FIRST_PAGE_PORT = 8700
DOWN_WITHIN = 15.0

Say = Callable[[str], None]


@dataclass
class Raised:
    """What the process that raised a lab holds of it; closing ``life`` ends an attached lab."""

    process: subprocess.Popen[bytes]
    life: int | None

    def close(self) -> None:
        """Let go, and collect the ended process."""
        if self.life is not None:
            os.close(self.life)
            self.life = None
        self.process.wait()


class Lab(Changeable):
    """A lab that runs. `find_lab` finds one, `raise_lab` raises one."""

    def __init__(self, place: Place, raised: Raised | None = None) -> None:
        self.place, self._raised = place, raised

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.place.name

    def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        """Ask the supervisor. Raises `LabError` with its sentence where it refuses."""
        with places.connect(self.place) as channel, channel.makefile("rb") as reader:
            try:
                channel.sendall(encode_line({"verb": verb, **words}))
                line = reader.readline()
            except OSError as fault:
                raise LabError(f"the lab {self.name!r} did not answer: {fault}.") from fault
        if not line:
            raise LabError(f"the lab {self.name!r} ended while it was asked.")
        reply = decode_line(line)
        if not reply.get("ok"):
            raise LabError(f"the lab {self.name!r} refuses: {reply['error']['message']}")
        return reply

    def status(self) -> dict[str, Any]:
        """Members, services, addresses, URLs. Process ids are inside's (``pid``) and ours (``host_pid``)."""
        reply = self.ask("status")
        reply.pop("ok")
        outer = outer_pids(self.init)
        reply["init"] = self.init
        for services in (reply["services"], *(member["services"] for member in reply["members"])):
            for service in services:
                service["host_pid"] = outer.get(service["pid"])
        return reply

    @property
    def init(self) -> int:
        """The process id of the lab's first process, as seen from here. Raises `LabError`."""
        with places.connect(self.place) as channel:
            credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        if pid == 0:
            raise LabError(f"the lab {self.name!r} was raised outside of this process namespace: use it there.")
        return pid

    def member(self, name: str) -> dict[str, Any]:
        """The status of one member. Raises `LabError` where there is none of that name."""
        members = {member["name"]: member for member in self.ask("status")["members"]}
        if name not in members:
            raise LabError(f"there is no {name!r} in this lab: use one of {', '.join(members)}.")
        found: dict[str, Any] = members[name]
        return found

    def command(self, member: str | None, argv: Sequence[str]) -> list[str]:
        """The words that run ``argv`` inside a member, or in the lab but in none of its members."""
        return enter_words(self.init, member, argv)

    def exec(
        self, member: str, argv: Sequence[str], *, timeout: float | None = 60.0, check: bool = True, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a member to its end, with ``text`` on its input.

        With ``check``, raises `LabError` where it fails.
        """
        return self._run(self.command(member, argv), argv, timeout, text, check=check)

    def inside(
        self, argv: Sequence[str], *, timeout: float | None = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab's namespaces but in no member's: it may enter them all."""
        return self._run(self.command(None, argv), argv, timeout, "", check=check)

    def module(self, name: str, *words: str, timeout: float | None = 120.0) -> Any:
        """Run one of the lab's modules inside, such as `meshctl.lab.traffic`, and return the JSON it prints."""
        argv = ["env", f"PYTHONPATH={PACKAGE.parent}", sys.executable, "-m", name, *words]
        return json.loads(self.inside(argv, timeout=timeout).stdout)

    def connectivity(self, phone: str) -> list[str]:
        """Every state of connectivity that a phone's NetworkManager has told, the oldest first."""
        return netmanager.said((self.place.logs / f"{phone}-connectivity.log").read_text(encoding="utf-8"))

    def kill(self, member: str, service: str, number: int = signal.SIGKILL) -> int:
        """Send a signal, SIGKILL unless told, to a service; returns the process id that had it inside."""
        return int(self.ask("kill", member=member, service=service, signal=int(number))["pid"])

    def down(self) -> None:
        """End the lab and clear its place."""
        deadline = time.monotonic() + DOWN_WITHIN
        asked = False
        while places.lives(self.place):
            try:
                if not asked:
                    self.ask("down")
                    asked = True
                elif time.monotonic() > deadline:
                    os.kill(self.init, signal.SIGKILL)
            except LabError:
                # It is about to begin or about to end.
                if time.monotonic() > deadline + DOWN_WITHIN:
                    raise
            time.sleep(0.02)
        if self._raised is not None:
            self._raised.close()
        places.clear(self.place)

    def _run(
        self, words: list[str], argv: Sequence[str], timeout: float | None, text: str, *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=timeout, check=False, env=system_environment()
        )
        if check and done.returncode != 0:
            told = (done.stderr or done.stdout).strip()[-2000:]
            raise LabError(f"`{' '.join(argv)}` ended with {done.returncode}: {told}")
        return done


def find_lab(name: str) -> Lab:
    """The running lab of that name. Raises `LabError` where there is none."""
    place = places.place_of(name)
    places.connect(place).close()
    return Lab(place)


def start_lab(
    topology: Path | None = None, name: str | None = None, *, attached: bool = False, say: Say = lambda _: None
) -> Lab:
    """Raise a lab and return when all of it is ready; on failure nothing is left. Raises `LabError`.

    An ``attached`` lab ends with this process, however that ends.
    """
    file = topology or MESH
    table = load_topology(file)
    check_programs(file, table)
    words = unshare_words()
    place = places.place_of(name or table.lab.name or "lab")
    lock = places.claim(place)
    try:
        places.clear(place, keep_lock=True)
        for folder in (place.folder, place.logs, place.folder / "nodes"):
            folder.mkdir()
            folder.chmod(0o755)
        place.topology.write_bytes(file.read_bytes())
        raised, progress = _start(words, place, table, lock, attached=attached)
    except BaseException:
        os.close(lock)
        places.clear(place)
        raise
    os.close(lock)
    lab = Lab(place, raised)
    try:
        with os.fdopen(progress, "rb") as lines:
            _follow(lines, place, say)
    except BaseException:
        lab.down()
        raise
    return lab


@contextmanager
def raise_lab(topology: Path | None = None, name: str | None = None, say: Say = lambda _: None) -> Iterator[Lab]:
    """A lab for as long as the block runs; it also ends when this process is killed."""
    lab = start_lab(topology, name, attached=True, say=say)
    try:
        yield lab
    finally:
        lab.down()


def _start(words: Sequence[str], place: Place, table: Topology, lock: int, *, attached: bool) -> tuple[Raised, int]:
    pages = _page_sockets(table)
    progress, tell = os.pipe()
    life = os.pipe() if attached else None
    urls = {name: f"http://127.0.0.1:{listener.getsockname()[1]}/" for name, listener in pages.items()}
    told = {
        "folder": str(place.folder), "lock": lock, "progress": tell, "lifeline": life[0] if life else None,
        "pages": {name: listener.fileno() for name, listener in pages.items()}, "urls": urls,
    }  # fmt: skip
    passed = [lock, tell, *([life[0]] if life else []), *(listener.fileno() for listener in pages.values())]
    environment = {**system_environment(), "PYTHONPATH": str(PACKAGE.parent)}
    with (place.logs / "lab.log").open("ab") as log:
        process = subprocess.Popen(  # its end is the lab's end; the lock says when that is
            [*words, sys.executable, "-m", "meshctl.lab.inside", json.dumps(told)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=passed, start_new_session=True,
            cwd="/", env=environment,
        )  # fmt: skip
    os.close(tell)
    for listener in pages.values():
        listener.close()
    if life:
        os.close(life[0])
    return Raised(process, life[1] if life else None), progress


def _follow(lines: Any, place: Place, say: Say) -> None:
    for line in lines:
        words = json.loads(line)
        if "step" in words:
            say(words["step"])
        elif "failed" in words:
            log = f"\n--- the end of {words['service'] or 'its'} log\n{words['log']}" if words["log"] else ""
            raise LabError(f"the lab could not be raised: {words['failed']}{log}")
        elif words.get("ready"):
            if not words["separated"]:
                say(separation_note())
            return
    raise LabError(f"the lab could not be raised: {_last_words(place)}")


def _last_words(place: Place) -> str:
    try:
        return (place.logs / "lab.log").read_text(encoding="utf-8", errors="replace").strip()[-2000:]
    except OSError:
        return "its first process ended"


def _page_sockets(table: Topology) -> dict[str, socket.socket]:
    """Listening sockets on this machine's loopback, one by page, at the first free ports from a round number."""
    names = [*(["hub"] if any(node.hub for node in table.node) else []), *(phone.name for phone in table.phone[:32])]
    port, pages = FIRST_PAGE_PORT, {}
    for name in names:
        try:
            pages[name] = listen_tcp("127.0.0.1", port)
        except OSError:
            pages[name] = listen_tcp("127.0.0.1", 0)
        port += 1
    return pages
