"""A crowd that returns or roams, beside joining anew; and the cost of announcements that nobody may make."""

from __future__ import annotations

import secrets
import signal
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.inside.foe import IN_ONE_MESSAGE
from bench.inside.lab import ACTOR, TARGET, announce, cpu_seconds, is_settled, p95, refused, ring, state, status, until
from meshctl.lab.handle import Lab

CROWD, COUNT, TOKENS = "crowd", 250, 5000
WINDOW = 2.5
BAD = {
    "garbage": "garbage bytes",
    "stranger": "a node that is on no roster",
    "foreign": "a node's name, signed by another key",
    "recording": "a recorded channel once more",
    "oversized": "a frame of 4 GB after a good greeting",
    "shape": "a malformed message after a good greeting",
    "outside": f"{IN_ONE_MESSAGE} addresses out of prefix",
}


@dataclass(frozen=True)
class Cost:
    """How often something was announced, and what each cost the agent, in seconds of processor time."""

    done: int
    each: float


def measure(lab: Lab, kind: str, idle: float) -> Cost:
    """Announce for a while; ``idle`` is the processor time that the agent takes by itself, by the second."""
    began, before = time.monotonic(), cpu_seconds(lab, TARGET, "agent")
    done = announce(lab, kind, seconds=WINDOW)
    took, spent = time.monotonic() - began, cpu_seconds(lab, TARGET, "agent") - before
    return Cost(done, (spent - idle * took) / done)


def idle_rate(lab: Lab, seconds: float) -> float:
    began, before = time.monotonic(), cpu_seconds(lab, TARGET, "agent")
    time.sleep(seconds)
    return (cpu_seconds(lab, TARGET, "agent") - before) / (time.monotonic() - began)


def bad_announcements(lab: Lab) -> None:
    lab.kill(ACTOR, "agent", signal.SIGSTOP)
    idle = idle_rate(lab, 2 * WINDOW)
    good = measure(lab, "good", idle)
    announce(lab, "empty", count=1)
    before, counts = state(lab), refused(lab)
    print(f"one good announcement, brought to the kernel: {good.each * 1000:.2f} ms of the agent's processor time")
    print(f"{'bad announcements':<44}{'sent':>6}{'ms each':>9}{'of good':>9}  refused as")
    for kind, words in BAD.items():
        cost = measure(lab, kind, idle)
        now = refused(lab)
        codes = ", ".join(f"{now[c] - counts.get(c, 0)} {c}" for c in now if now[c] != counts.get(c, 0))
        print(f"  {words:<42}{cost.done:>6}{cost.each * 1000:>9.3f}{cost.each / good.each:>9.3f}  {codes}")
        counts = now
    after = state(lab)
    lab.kill(ACTOR, "agent", signal.SIGCONT)
    changed = [name for name in before if before[name] != after[name]]
    print(f"  state changed by all of them: {', '.join(changed) or 'none'}")


def arrive(lab: Lab, node: str, *words: str) -> list[float]:
    """Let the whole crowd send its first packets at a node, or join there; return the waits, in order."""
    found = lab.module("bench.inside.crowd", CROWD, f"--node={lab.member(node)['ipv4']}/22", f"--count={COUNT}", *words)
    if found["failed"]:
        print(f"  {found['failed']} of {COUNT} were not answered in time")
    return list(found["waits"])


def is_back(lab: Lab, node: str, tokens: int) -> bool:
    return is_settled(lab, node) and status(lab, node)["mesh"]["remembered"] >= tokens


def remember(lab: Lab, node: str, tokens: int) -> None:
    """Have a node that is off have admitted so many devices in all, as its disk tells; the others know them soon."""
    with closing(sqlite3.connect(Path(lab.member(node)["state"]) / "node.db", isolation_level=None)) as connection:
        one = connection.execute("SELECT * FROM token WHERE owner = ? LIMIT 1", (node,))
        names = [column[0] for column in one.description]
        row = dict(zip(names, one.fetchone(), strict=True))
        held = connection.execute("SELECT COUNT(*) FROM token").fetchone()[0]
        others = [{**row, "token": secrets.token_hex(16)} for _ in range(tokens - held)]
        assert len(others[0]["token"]) == len(row["token"])
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO token VALUES ({', '.join(f':{name}' for name in names)})", others)
        connection.execute("COMMIT")


def power_cut(lab: Lab, tokens: int, joined: list[float]) -> None:
    """Cut oak's power, and have the whole crowd send first packets once it is back."""
    lab.power_off("oak")
    if tokens > COUNT:
        remember(lab, "oak", tokens)
    lab.power_on("oak", wait=False)
    took = until(lambda: is_back(lab, "oak", tokens), 30)
    lab.wait_ready()
    print(f"  oak lost its power: {took:.1f} s after it was given back, it has the key of the day and {tokens} tokens")
    tell(f"re-admitted at oak with their first packets, {tokens} tokens", arrive(lab, "oak"), joined)


def returning_crowd(lab: Lab) -> None:
    lab.add_phones("oak", [CROWD], "static")
    joined = arrive(lab, "oak", f"--join={lab.member('oak')['run']}/agent.sock")
    tell("join anew at oak, all at once", joined, joined)
    until(lambda: is_back(lab, "elm", COUNT) and is_back(lab, "ash", COUNT), 10)
    for tokens in (COUNT, TOKENS):
        power_cut(lab, tokens, joined)
    until(lambda: is_back(lab, "ash", TOKENS), 20)
    lab.roam(CROWD, "ash", wait=False)
    lab.wait_ready()
    tell("roamed to ash, first packets there", arrive(lab, "ash"), joined)


def tell(what: str, waits: list[float], joined: list[float]) -> None:
    median, most = statistics.median(waits), p95(waits)
    times = f"median {median * 1000:.0f} ms, p95 {most * 1000:.0f} ms, max {waits[-1] * 1000:.0f} ms"
    print(f"  {what:<56} {times}; {median / statistics.median(joined):.2f} of joining anew")


def main() -> None:
    with ring() as lab:
        print(f"{COUNT} devices, from the first packet (or the click) of each to its first answer from the internet")
        returning_crowd(lab)
        bad_announcements(lab)


if __name__ == "__main__":
    main()
