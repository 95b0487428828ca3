"""What is kept about lines and boxes, which names no home and no device, and what is about nobody at all."""

from __future__ import annotations

from meshctl.commons.register_shape import N_, Entry, of

_ALL = N_("Everybody may see sums of it. They name no home and no device.")
_STEWARDS = N_("The people who look after the network.")

NETWORK: tuple[Entry, ...] = (
    Entry(
        "guests-use", "network",
        of("node.db", reading="line direction mark life sent packets dropped"),
        what=N_("How much all guests used together, and all homes together."),
        purpose=N_("So that the sums of each line are right. Each count of a guest is gone when the guest is."),
        kept=N_("The sums stay. They name nobody."),
        seen_by=_ALL,
        limit="counted",
    ),
    Entry(
        "line-memory", "network",
        of("node.db", line_memory="line clock boot monotonic wall trusted down_contended down_capacity "
           "up_contended up_capacity"),
        what=N_("How busy each line was."),
        purpose=N_("So that slices are fair over weeks. Half of it is forgotten each week."),
        kept=N_("As long as the line is there."),
        seen_by=_ALL,
    ),
    Entry(
        "reports", "network",
        (*of("node.db", journal="sequence boot payload signature sent", tally="name count"), "ram/system log"),
        what=N_("How each box is doing, and if something is broken."),
        purpose=N_("So that somebody can mend it."),
        kept=N_("A week on the box."),
        seen_by=_STEWARDS,
        limit="week",
    ),
    Entry(
        "outages", "network",
        of("node.db", outage="id what name boot monotonic wall lasted over"),
        what=N_("When the internet or a box could not be reached."),
        purpose=N_("So that you can see what happened, and somebody can mend it."),
        kept=N_("30 days."),
        seen_by=_ALL,
        limit="outage",
    ),
    Entry(
        "hub", "network",
        of(
            "hub.db",
            report="node boot sequence received monotonic wall trusted homes guests repairs failing",
            line_hour="node line direction hour carried",
            presence_hour="hour most",
            pause_day="node day begun",
            link="node far device reach cost rtt_ms up since poor",
        ),
        what=N_("What the boxes said of themselves, hour by hour: sums, and what failed."),
        purpose=N_("So that people can look after the network, and everybody can see how it does."),
        kept=N_("37 days."),
        seen_by=_ALL,
        limit="hub-month",
    ),
    Entry(
        "hub-newest", "network",
        of(
            "hub.db",
            node="name key boot sequence received gap monotonic wall trusted version homes guests repairs facts "
            "gateway via gateway_since pauses pauses_now",
            line="node line direction boot sequence carried capacity busy fairness",
        ),
        what=N_("The newest word of each box."),
        purpose=N_("So that people see how things are now."),
        kept=N_("Until the next word comes."),
        seen_by=_STEWARDS,
    ),
)  # fmt: skip

NOBODY: tuple[Entry, ...] = (
    Entry(
        "spent-handles", "nobody",
        of("node.db", spent="part"),
        what=N_("Fourteen bits of a hash of the first group of passes of erased homes; 64 handles share each."),
        purpose=N_("So that no new home is taken for an erased one."),
        kept=N_("For good. It does not say which home it was."),
        seen_by=_STEWARDS,
    ),
    Entry(
        "lists", "nobody",
        (*of("node.db", list="kind version body", use_whole="owner boot sequence", use="owner boot sequence"),
         "run/roster.json"),
        what=N_("The newest signed lists of boxes and of homes; the list of homes is what `home` and `lock` have."),
        purpose=N_("So that no older list is ever believed."),
        kept=N_("Until a newer one comes; a list without an erased home replaces the one with it."),
        seen_by=_STEWARDS,
        at_erase="gone",
    ),
    Entry(
        "boots", "nobody",
        (*of("node.db", boot="counter life", _sqlite_migrations="id migration_set name applied_at"),
         "state/boot-counter", "run/life"),
        what=N_("How often this box was started, and which version made its tables."),
        purpose=N_("So that reports can be put in order without a clock."),
        kept=N_("The last 100 starts."),
        seen_by=_STEWARDS,
        limit="boot",
    ),
    Entry(
        "set-aside", "nobody",
        ("state/node.db.damaged-*",),
        what=N_("A damaged database, set aside for somebody to look at. It may hold all that node.db holds."),
        purpose=N_("So that a maintainer can find out what broke it."),
        kept=N_("37 days, and never past the next erase of a home."),
        seen_by=_STEWARDS,
        at_erase="gone",
        limit="aside",
    ),
    Entry(
        "lasting-keys", "nobody",
        (*of("node.db", lasting_key="name epoch born destroyed"), "state/remember-keys/*.key"),
        what=N_("The keys to the codes of remembered devices, their ages, and the names of destroyed ones."),
        purpose=N_("Without a key nobody can tell whose a code is. With two boxes they are never beside the codes."),
        kept=N_("120 days. Then each is overwritten and removed."),
        seen_by=_STEWARDS,
        limit="lasting-key",
    ),
    Entry(
        "remembering", "nobody",
        of(
            "node.db",
            long_clock="ident seconds boot monotonic wall wall_seconds version",
            errand="ident sealed at",
            withdrawn="receipt until",
        ),
        what=N_("How much time has passed, and what waits for the box that has the codes, sealed to it."),
        purpose=N_("So that nothing is kept longer than promised, and no wish is lost while a box is away."),
        kept=N_("Until that box has it; checks of taken back receipts for 120 days."),
        seen_by=_STEWARDS,
        limit="remembered",
    ),
    Entry(
        "keys", "nobody",
        ("state/node.key", "state/node.pub"),
        what=N_("The key by which other boxes know this one."),
        purpose=N_("So that nobody can pretend to be this box."),
        kept=N_("As long as the box is in use."),
        seen_by=_STEWARDS,
    ),
    Entry(
        "hub-state", "nobody",
        of("hub.db", refusal="reason count", list_version="kind signer version", alembic_version="version_num"),
        what=N_("How many reports were refused, and which lists and tables are the newest."),
        purpose=N_("So that no older list is ever believed."),
        kept=N_("As long as the hub is in use."),
        seen_by=_STEWARDS,
    ),
)  # fmt: skip
