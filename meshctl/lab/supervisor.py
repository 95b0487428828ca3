"""Starts services with systemd's protocols, restarts the dead, keeps their sockets and their logs.

Runs as the first process of a lab: one thread, one selector, and whatever process loses its parent
is reaped here.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from meshctl.lab.logbook import Logbook
from meshctl.lab.restart import Past, after_end

State = Literal["starting", "ready", "waiting", "failed", "stopped"]

_LISTEN = 'export LISTEN_PID=$$; exec "$@"'


@dataclass(frozen=True)
class Spec:
    """One service. ``notify`` means that it says READY=1 itself; without, it is ready once started.

    ``sockets`` are listening sockets with names, passed as sd_listen_fds(3) says; they stay open
    here, so connections wait while the service restarts. ``then`` is done whenever it has said that it
    is ready, as ExecStartPost= of systemd.service(5).
    """

    member: str
    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    notify: bool = False
    sockets: tuple[tuple[str, socket.socket], ...] = ()
    then: Callable[[], None] | None = None

    @property
    def label(self) -> str:
        """Member and service in one word."""
        return f"{self.member}-{self.name}"


class Service:
    """One service as it runs now."""

    def __init__(self, spec: Spec, logbook: Logbook) -> None:
        self.spec, self.logbook = spec, logbook
        self.past = Past()
        self.state: State = "waiting"
        self.pid: int | None = None
        self.started = 0.0
        self.due: float | None = 0.0
        self.channel: socket.socket | None = None
        self.readers = 0
        self.gone = False

    @property
    def is_up(self) -> bool:
        """Whether it runs and is ready."""
        return self.state == "ready"


class Supervisor:
    """Holds all services of a lab. Call `turn` for ever."""

    def __init__(self, logs: Path, notices: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.services: dict[tuple[str, str], Service] = {}
        self._logs, self._notices, self._clock = logs, notices, clock
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(self._wake_in, self._drain)

    def watch(self, source: int | socket.socket, act: Callable[[], None]) -> None:
        """Call ``act`` whenever ``source`` can be read."""
        self._selector.register(source, selectors.EVENT_READ, act)

    def forget(self, source: int | socket.socket) -> None:
        """Watch it no more."""
        self._selector.unregister(source)

    def add(self, spec: Spec) -> Service:
        """Start a service and keep it running."""
        service = Service(spec, Logbook(self._logs / f"{spec.label}.log"))
        self.services[spec.member, spec.name] = service
        if spec.notify:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            channel.bind(str(self._notices / spec.label))
            (self._notices / spec.label).chmod(0o666)
            service.channel = channel
            self.watch(channel, lambda: self._hear(service))
        self._start(service)
        return service

    def turn(self, longest: float = 1.0) -> None:
        """Wait for something to happen, at most ``longest`` seconds, and deal with it."""
        dues = [s.due for s in self.services.values() if s.due is not None]
        wait = max(0.0, min([longest, *(due - self._clock() for due in dues)]))
        for key, _ in self._selector.select(wait):
            # What was done before may have let go of this one.
            if self._selector.get_map().get(key.fd) == key:
                key.data()
        self._reap()
        now = self._clock()
        for service in list(self.services.values()):
            if service.due is not None and service.due <= now:
                self._start(service)

    def kill(self, member: str, name: str, number: int) -> int:
        """Send a signal to a service and return its process id. Raises `KeyError` where it does not run."""
        service = self.services[member, name]
        if service.pid is None:
            raise KeyError(name)
        os.kill(service.pid, number)
        return service.pid

    def remove(self, member: str) -> None:
        """Kill every service of a member at once, with what each started, and forget them."""
        gone = {key: service for key, service in self.services.items() if key[0] == member}
        for service in gone.values():
            service.due, service.state, service.gone = None, "stopped", True
            if service.pid is not None:
                os.killpg(service.pid, signal.SIGKILL)
        for key, service in gone.items():
            del self.services[key]
            if service.pid is not None:
                os.waitpid(service.pid, 0)
                service.pid = None
            if service.channel is not None:
                self.forget(service.channel)
                service.channel.close()
                (self._notices / service.spec.label).unlink()
            for _, listener in service.spec.sockets:
                listener.close()
            if not service.readers:
                service.logbook.close()

    def stop(self, seconds: float = 3.0) -> None:
        """Stop all services, last started first, and whatever else still runs here."""
        for service in self.services.values():
            service.due, service.state = None, "stopped"
        ordered = [s for s in reversed(self.services.values()) if s.pid is not None]
        for service in ordered:
            if service.pid is not None:
                os.kill(service.pid, signal.SIGTERM)
        deadline = self._clock() + seconds
        while any(s.pid is not None for s in ordered) and self._clock() < deadline:
            for key, _ in self._selector.select(0.05):
                key.data()
            self._reap()
        for service in ordered:
            if service.pid is not None:
                os.kill(service.pid, signal.SIGKILL)
                os.waitpid(service.pid, 0)
                service.pid = None
        for service in self.services.values():
            service.logbook.close()
            if service.channel is not None:
                self.forget(service.channel)
                service.channel.close()

    def close(self) -> None:
        """Let go of the selector; only a process that goes on living needs this."""
        signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
        self._selector.close()
        os.close(self._wake_out)

    def _start(self, service: Service) -> None:
        spec = service.spec
        environment = dict(spec.environment)
        argv = spec.argv
        if spec.notify:
            environment["NOTIFY_SOCKET"] = str(self._notices / spec.label)
        if spec.sockets:
            environment["LISTEN_FDS"] = str(len(spec.sockets))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in spec.sockets)
            argv = ("/bin/sh", "-c", _LISTEN, "sh", *argv)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        actions: list[tuple[int, int, int]] = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, sock.fileno(), 3 + at) for at, (_, sock) in enumerate(spec.sockets)]
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            service.pid = os.posix_spawnp(
                argv[0], argv, environment, setsid=True, setsigmask=(), setsigdef=(signal.SIGPIPE, signal.SIGINT),
                file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), *actions],
            )  # fmt: skip
        finally:
            os.close(null)
            os.close(writer)
        service.readers += 1
        self.watch(reader, lambda: self._log(service, reader))
        service.started, service.due = self._clock(), None
        service.state = "starting" if spec.notify else "ready"

    def _drain(self) -> None:
        while True:
            try:
                if len(os.read(self._wake_in, 512)) < 512:
                    return
            except BlockingIOError:
                return

    def _hear(self, service: Service) -> None:
        assert service.channel is not None
        words = service.channel.recv(4096).decode(errors="replace").splitlines()
        if "READY=1" in words and service.state == "starting":
            if service.spec.then is not None:
                service.spec.then()
            service.state = "ready"

    def _log(self, service: Service, reader: int) -> None:
        lines = os.read(reader, 65536)
        if lines:
            service.logbook.write(lines)
        else:
            self.forget(reader)
            os.close(reader)
            service.readers -= 1
            if service.gone and not service.readers:
                service.logbook.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for service in self.services.values():
                if service.pid == pid:
                    self._ended(service, status)

    def _ended(self, service: Service, status: int) -> None:
        now = self._clock()
        service.pid = None
        if service.state == "stopped":
            return
        was_ready = service.state == "ready" and service.spec.notify
        service.past, delay = after_end(service.past, now - service.started, was_ready=was_ready)
        code = os.waitstatus_to_exitcode(status)
        verdict = "given up" if delay is None else f"starting again in {delay:g} s"
        service.logbook.write(f"lab: {service.spec.label} ended with {code}; {verdict}\n".encode())
        service.state = "failed" if delay is None else "waiting"
        service.due = None if delay is None else now + delay
