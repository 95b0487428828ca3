"""The first process of a lab, in namespaces of its own: when it ends, the kernel clears everything.

Started by `meshctl.lab.handle` with open descriptors: the lock that says the lab lives, a pipe that
hears how far it is, the end of a pipe whose other end is the life of the caller (or none), and
listening sockets for pages.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from meshctl.lab import kernel, shelter
from meshctl.lab.fault import LabError
from meshctl.lab.ground import lay_ground
from meshctl.lab.logbook import tail
from meshctl.lab.mishaps import Mishaps
from meshctl.lab.neighbourhood import Neighbourhood, make_room
from meshctl.lab.place import Place, short_path
from meshctl.lab.supervisor import Supervisor
from meshctl.lab.topology import load_topology
from meshctl.model import MeshctlError
from meshctl.wire import WireError, decode_line, encode_line, failure

READY_WITHIN = 60.0
"""Seconds without any progress until a lab is given up."""
LOOK_EVERY = 0.05
MOST_FILES = 8192


@dataclass(frozen=True)
class Start:
    """What the host says at the start; numbers are descriptors. ``pages`` maps a name to its URL's socket."""

    folder: str
    lock: int
    progress: int
    lifeline: int | None
    pages: dict[str, int]
    urls: dict[str, str]


class Lab:
    """The lab's loop and its control socket."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.place = Place(Path(start.folder))
        self.supervisor = Supervisor(self.place.logs, make_room())
        self.neighbourhood = Neighbourhood(load_topology(self.place.topology), self.place, self.supervisor)
        self.mishaps = Mishaps(self.neighbourhood)
        self.stopping = False
        self.ready = False
        self.lacking: list[str] = ["it is being built"]
        self.fewest = 0
        self.next_look = 0.0
        self.changed = time.monotonic()
        self._verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "status": self._status,
            "ready": self._ready,
            "kill": self._kill,
            "add_phones": self._add_phones,
            "link": self._link,
            "uplink": self._uplink,
            "power": self._power,
            "roam": self._roam,
            "certificate": self._certificate,
            "down": self._down,
        }

    def tell(self, **words: object) -> None:
        """Tell the caller how far the lab is; nobody listens once he has gone."""
        try:
            os.write(self.start.progress, json.dumps(words).encode() + b"\n")
        except OSError:
            return

    def build(self) -> None:
        """Raise everything; the loop then waits until it is ready."""
        hold = self.neighbourhood
        topology = hold.topology
        self._listen()
        hold.build_ground()
        self.tell(step="namespaces, bridges and uplinks")
        hold.build_members()
        self.tell(step=f"the internet and {len(hold.nodes)} node{'s' if len(hold.nodes) > 1 else ''}")
        hold.start()
        self.tell(step=f"{len(topology.phone)} phones")
        for (at, client, eui64), alike in groupby(topology.phone, lambda phone: (phone.at, phone.client, phone.eui64)):
            hold.add_phones(at, [phone.name for phone in alike], client, eui64=eui64)
            self.supervisor.turn(0)
        hold.open_pages({name: socket.socket(fileno=number) for name, number in self.start.pages.items()})
        self.tell(step="waiting for services, routes, leases and addresses")
        self._unsettle("it has just been built")

    def loop(self) -> None:
        """Keep the lab until somebody stops it."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self.stopping:
            self.supervisor.turn(1.0 if self.ready else LOOK_EVERY)
            self.neighbourhood.certificates.heed(self.supervisor)
            if not self.ready and time.monotonic() >= self.next_look:
                began = time.monotonic()
                self._look()
                # At most a tenth of a processor goes into looking, however many there are to look at.
                self.next_look = began + max(LOOK_EVERY, 10 * (time.monotonic() - began))

    def close(self) -> None:
        """Stop every service and remove the lab's folder."""
        self.supervisor.stop()
        shutil.rmtree(self.place.folder, ignore_errors=True)

    def _look(self) -> None:
        self.lacking = self.neighbourhood.lacking()
        if len(self.lacking) < self.fewest:
            self.fewest, self.changed = len(self.lacking), time.monotonic()
        given_up = self.neighbourhood.failed()
        if not self.lacking:
            self.ready = True
            self._write_status()
            self.tell(ready=True, separated=self.neighbourhood.privileges.separated)
        elif given_up is not None or time.monotonic() - self.changed > READY_WITHIN:
            self._give_up(given_up.spec.label if given_up else "")

    def _give_up(self, label: str) -> None:
        if not label:
            unready = [s.spec.label for s in self.supervisor.services.values() if not s.is_up]
            label = unready[0] if unready else ""
        text = f"{label} did not start" if label else "; ".join(self.lacking[:5])
        log = tail(self.place.logs / f"{label}.log") if label else ""
        self.tell(failed=text, log=log, service=label)
        # A lab that had been ready stays up for inspection; its caller learns of it from `status`.
        self.changed = float("inf")

    def _write_status(self) -> None:
        known = {"name": self.place.name, "started": time.time(), "urls": self.start.urls}
        separated = self.neighbourhood.privileges.separated
        self.place.status.write_text(json.dumps({**known, "separated": separated}, indent=1), encoding="utf-8")

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopping = True

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with short_path(self.place.control) as name:
            listener.bind(name)
        self.place.control.chmod(0o600)
        listener.listen(32)
        self.supervisor.watch(listener, lambda: self._answer(listener))
        if self.start.lifeline is not None:
            self.supervisor.watch(self.start.lifeline, lambda: self._stop(0, None))

    def _answer(self, listener: socket.socket) -> None:
        channel, _ = listener.accept()
        with channel, channel.makefile("rb") as reader:
            channel.settimeout(2)
            try:
                request = decode_line(reader.readline())
                reply = self._verbs[request.get("verb", "")](request)
            except (KeyError, TypeError, ValueError) as fault:
                reply = failure("bad-request", f"{type(fault).__name__}: {fault}")
            except (LabError, WireError) as fault:
                reply = failure("refused", str(fault))
            except OSError as fault:
                reply = failure("system", str(fault))
            try:
                channel.sendall(encode_line(reply))
            except OSError:
                return

    def _status(self, _request: dict[str, Any]) -> dict[str, Any]:
        house = [
            {"name": name, "state": s.state, "pid": s.pid, "restarts": s.past.restarts}
            for (owner, name), s in self.supervisor.services.items()
            if owner == "lab"
        ]
        return {
            "ok": True, "name": self.place.name, "folder": str(self.place.folder), "ready": self.ready,
            "lacking": self.lacking, "separated": self.neighbourhood.privileges.separated,
            "urls": self.start.urls, "services": house, "members": self.neighbourhood.status(),
            "links": self.neighbourhood.links(),
        }  # fmt: skip

    def _ready(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "ready": self.ready, "lacking": self.lacking}

    def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "pid": self.supervisor.kill(request["member"], request["service"], int(request["signal"]))}

    def _add_phones(self, request: dict[str, Any]) -> dict[str, Any]:
        self.neighbourhood.add_phones(request["at"], request["names"], request["client"])
        return self._unsettle("new phones are associating")

    def _link(self, request: dict[str, Any]) -> dict[str, Any]:
        percent, silent = float(request.get("percent", 0)), bool(request.get("silent", False))
        self.mishaps.link(request["a"], request["b"], request["change"], percent, silent=silent)
        return self._unsettle("a link has changed")

    def _uplink(self, request: dict[str, Any]) -> dict[str, Any]:
        self.mishaps.uplink(request["node"], request["change"])
        return self._unsettle("an uplink has changed")

    def _power(self, request: dict[str, Any]) -> dict[str, Any]:
        self.mishaps.power(request["node"], request["change"])
        return self._unsettle("a node's power has changed")

    def _certificate(self, request: dict[str, Any]) -> dict[str, Any]:
        node, certificates = str(request["node"]), self.neighbourhood.certificates
        if request["change"] == "withdraw":
            certificates.withdraw(node)
        else:
            seconds = request.get("seconds")
            certificates.issue(node, None if seconds is None else float(seconds))
        return {"ok": True}

    def _roam(self, request: dict[str, Any]) -> dict[str, Any]:
        self.mishaps.roam([(str(phone), str(node)) for phone, node in request["moves"]])
        return self._unsettle("phones have moved")

    def _unsettle(self, why: str) -> dict[str, Any]:
        """Look anew until everything stands."""
        self.ready, self.lacking = False, [why]
        self.fewest, self.changed = sys.maxsize, time.monotonic()
        return {"ok": True}

    def _down(self, _request: dict[str, Any]) -> dict[str, Any]:
        self.stopping = True
        return {"ok": True}


def main(words: str) -> int:
    """Raise the lab and keep it. Exit code 0 when stopped, 1 when it could not be raised."""
    start = Start(**json.loads(words))
    kernel.die_with_parent(signal.SIGKILL)
    for number in (start.lock, start.progress, start.lifeline, *start.pages.values()):
        if number is not None:
            os.set_inheritable(number, False)  # noqa: FBT003  # the call takes no keyword
    start = _lift_pages(start)
    os.environ["PATH"] = kernel.SYSTEM_PATH
    os.umask(0o022)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_FILES), hard))
    lay_ground([path for path in (*shelter.needed(Path(start.folder)),) if path.exists()])
    lab = Lab(start)
    try:
        lab.build()
        lab.loop()
    except (MeshctlError, OSError) as fault:
        lab.tell(failed=str(fault), log="", service="")
        return 1
    finally:
        lab.close()
    return 0


def _lift_pages(start: Start) -> Start:
    """Move the pages' sockets out of the way of the numbers that the relay expects them at."""
    lifted = {name: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for name, number in start.pages.items()}
    for number in start.pages.values():
        os.close(number)
    return Start(start.folder, start.lock, start.progress, start.lifeline, lifted, start.urls)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
