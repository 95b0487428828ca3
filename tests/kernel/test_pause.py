"""What a pause is in the kernel: a visitor over both families, at once, and itself again when it ends."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from meshctl.agent.pauses import Pause
from meshctl.agent.pausing import Pausing
from meshctl.model import Household
from tests.kernel.agents import ACCESS, Agent
from tests.kernel.street import ADDRESSES, HARDWARE, SITE4, SITE6, Spot, Street, until

pytestmark = pytest.mark.kernel

HOME = Household("AAAA", 0x12)


def pausing_of(agent: Agent) -> Pausing:
    parts = (agent.store, agent.members, agent.turns)
    return Pausing(agent.config, agent.kernel, parts, agent.clock, None)


def put(agent: Agent, pausing: Pausing, phone: str, hours: float) -> Pause:
    """Pause a phone as the verb does, from outside the operator's socket."""
    request = {"address": ADDRESSES[phone][0], "reason": "It floods the line.", "hours": hours}
    reply = agent.do(lambda: pausing.table()["pause"].run(request))
    assert reply["ok"], reply
    pause = agent.members.pauses.get(HARDWARE[phone])
    assert pause is not None
    return pause


def test_a_paused_phone_is_a_visitor_and_its_home_goes_on(street: Street) -> None:
    access = street.access
    pausing = pausing_of(access)
    now = access.clock.read().monotonic
    for phone in ("far", "other"):
        device = access.members.link(HARDWARE[phone], HOME, now + 3600, now)
        access.do(partial(access.turns.admit, [device], []))
    street.gate.announce({address: 0x21 for phone in ("far", "other") for address in ADDRESSES[phone]})
    for site in (SITE4, SITE6):
        assert street.asks("far", site)

    flows = {(phone, site): street.flow(phone, site) for phone in ("far", "other") for site in (SITE4, SITE6)}
    got = dict.fromkeys(flows, 0)
    threads = [threading.Thread(target=drain, args=(flow, got, name)) for name, flow in flows.items()]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    pause = put(access, pausing, "far", 1)
    took = time.monotonic() - began
    until(lambda: not any(unread(flows["far", site]) for site in (SITE4, SITE6)))  # what had reached the phone before
    moved = dict(got)
    time.sleep(0.5)
    later = dict(got)
    for flow in flows.values():
        flow.close()
    for thread in threads:
        thread.join()
    assert took < 1
    for (phone, site), size in moved.items():
        assert (later[phone, site] > size) is (phone == "other"), (phone, site)

    for site in (SITE4, SITE6):
        assert not street.reaches("far", site)
        assert not street.asks("far", site)
        assert street.asks("other", site)
    for own in (ACCESS.interface4.ip, ACCESS.interface6.ip):
        # Port 80 of anywhere leads to the portal, whose own port and the resolver are open.
        with street.listens("access", 80, access.config.portal.redirect_port):
            assert street.connects("far", SITE4 if own.version == 4 else SITE6, 80)
            assert street.connects("far", str(own), 80)
        mapped = f"::ffff:{own}" if own.version == 4 else str(own)
        assert street.hears("access", Spot(mapped, 53), "far", Spot("::", 0))

    access.clock.later = pause.until - time.monotonic()
    try:
        access.do(pausing.settle)
        for site in (SITE4, SITE6):
            assert street.asks("far", site)
        assert access.members.get(HARDWARE["far"]) is not None
    finally:
        access.clock.later = 0.0


def unread(flow: socket.socket) -> int:
    """Bytes that have arrived and nobody has taken yet (tcp(7), SIOCINQ)."""
    return int.from_bytes(fcntl.ioctl(flow, termios.FIONREAD, bytes(4)), sys.byteorder)


def drain(flow: socket.socket, got: dict[tuple[str, str], int], name: tuple[str, str]) -> None:
    """Read until the flow ends, noting how much came."""
    with suppress(OSError):
        while piece := flow.recv(65536):
            got[name] += len(piece)
