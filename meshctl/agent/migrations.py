"""How node.db came to look as it does, step by step. A step that was released is never changed."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from meshctl.agent.removal import part_of

migrations = Migrations("meshctl.node")


@migrations()
def first_tables(db: Database) -> None:
    """Boots, households, the ledger with the readings it came from, counts of events, and the journal."""
    db.table("boot").create({"counter": int, "life": str}, pk="counter", strict=True)
    db.table("household").create(
        {"number": int, "handle": str, "shares": int, "since": float, "trusted": int, "salt": bytes, "verifier": bytes},
        pk="number",
        not_null={"handle", "shares", "salt", "verifier"},
        strict=True,
    )
    db.table("household").create_index(["handle"], unique=True)
    db.table("ledger").create(
        {"line": str, "direction": str, "household": str, "bytes": int},
        pk=("line", "direction", "household"),
        strict=True,
    )
    db.table("reading").create(
        {"line": str, "direction": str, "mark": int, "life": str, "sent": int, "packets": int, "dropped": int},
        pk=("line", "direction", "mark"),
        strict=True,
    )
    db.table("tally").create({"name": str, "count": int}, pk="name", strict=True)
    db.table("journal").create(
        {"sequence": int, "boot": int, "payload": bytes, "signature": bytes, "sent": int}, pk="sequence", strict=True
    )


@migrations()
def mesh_tables(db: Database) -> None:
    """Newest lists, tokens of joined devices (never their addresses), and what other lines carried for whom."""
    db.table("list").create({"kind": str, "version": int, "body": bytes}, pk="kind", strict=True)
    db.table("token").create(
        {"token": str, "key": str, "household": str, "left": float, "version": int, "owner": str, "gone": int},
        pk="token",
        strict=True,
    )
    db.table("use").create(
        {"owner": str, "line": str, "direction": str, "household": str, "bytes": int, "boot": int, "sequence": int},
        pk=("owner", "line", "direction", "household"),
        strict=True,
    )


@migrations()
def memory_tables(db: Database) -> None:
    """What the line remembers: its own filters, and of each household one decayed number in each direction."""
    figures = {f"{way}_{what}": float for way in ("down", "up") for what in ("contended", "capacity")}
    db.table("line_memory").create(
        {"line": str, "clock": float, "boot": int, "monotonic": float, "wall": float, "trusted": int, **figures},
        pk="line",
        strict=True,
    )
    times = {"born": float, "seen": float, "at": float}
    decided = {"level": int, "since": float, "ratio": float, "wall": float}
    db.table("home_memory").create(
        {"line": str, "household": str, **times, "shares": int, "down": float, "up": float, **decided},
        pk=("line", "household"),
        strict=True,
    )


@migrations()
def newest_whole(db: Database) -> None:
    """Of each owner of use the stamp of its newest whole message: no row with an older stamp is taken."""
    db.table("use_whole").create({"owner": str, "boot": int, "sequence": int}, pk="owner", strict=True)


@migrations()
def daily_use(db: Database) -> None:
    """What a line carried by day and household, and handles of removed households, never drawn again."""
    db.table("daily").create(
        {"day": str, "household": str, "line": str, "direction": str, "bytes": int},
        pk=("day", "household", "line", "direction"),
        strict=True,
    )
    db.table("daily").create_index(["household"])
    db.table("removed").create({"handle": str}, pk="handle", strict=True)


@migrations()
def pause_table(db: Database) -> None:
    """Pauses by device token: ``until`` is on the monotonic clock of ``boot``, ``left`` what was left when written."""
    db.table("pause").create(
        {"token": str, "key": str, "ident": str, "reason": str, "until": float, "left": float, "boot": int,
         "version": int, "writer": str, "over": int},
        pk="token",
        strict=True,
    )  # fmt: skip


@migrations()
def outage_table(db: Database) -> None:
    """When the internet or a box was not reached from here; ``wall`` only where the clock was trusted."""
    db.table("outage").create(
        {
            "id": int,
            "what": str,
            "name": str,
            "boot": int,
            "monotonic": float,
            "wall": float,
            "lasted": float,
            "over": int,
        },
        pk="id",
        not_null={"what", "name", "boot", "monotonic", "over"},
        strict=True,
    )


@migrations()
def wishes_of_homes(db: Database) -> None:
    """What homes asked for, and of removed handles only a part that 64 handles share."""
    db.table("wish").create(
        {"household": str, "kind": str, "text": str, "until": float, "left": float, "boot": int, "version": int,
         "writer": str, "over": int},
        pk=("household", "kind"),
        strict=True,
    )  # fmt: skip
    db.table("spent").create({"part": int}, pk="part", strict=True)
    handles = [row[0] for row in db.execute("SELECT handle FROM removed").fetchall()]
    db.table("spent").insert_all(({"part": part_of(handle)} for handle in handles), ignore=True)
    db.table("removed").drop()


@migrations()
def remember_tables(db: Database) -> None:
    """Devices that asked to be remembered, by token, with the receipt of it; ages of keys; a clock that outlives boots.

    Neither a key nor an address is in any of them. ``errand`` holds what only the hub's node can read.
    """
    db.table("long_clock").create(
        {"ident": int, "seconds": float, "boot": int, "monotonic": float, "wall": float, "wall_seconds": float,
         "version": int},
        pk="ident",
        strict=True,
    )  # fmt: skip
    db.table("lasting_key").create({"name": str, "epoch": int, "born": float, "destroyed": int}, pk="name", strict=True)
    db.table("remembered").create(
        {"token": str, "key": str, "until": float, "version": int, "gone": int, "revision": int, "writer": str,
         "household": str, "receipt": str, "purpose": str, "text": int, "since": float, "trusted": int},
        pk="token",
        strict=True,
    )  # fmt: skip
    db.table("remembered").create_index(["receipt"])
    db.table("withdrawn").create({"receipt": str, "until": float}, pk="receipt", strict=True)
    db.table("errand").create({"ident": int, "sealed": bytes, "at": float}, pk="ident", strict=True)
