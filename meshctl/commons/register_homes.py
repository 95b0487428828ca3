"""What is kept about a device and about a home. Plain words: neighbours read them."""

from __future__ import annotations

from meshctl.commons.register_shape import N_, Entry, of

_NOBODY = N_("Nobody. Only the programs use it.")
_YOU_AND_STEWARDS = N_("You, with your pass or a code. And the people who look after the network.")

DEVICE: tuple[Entry, ...] = (
    Entry(
        "joined", "device",
        ("run/devices.json", "kernel/nft member", "kernel/neighbours", "kernel/conntrack"),
        what=N_("The number of your device, and that it has joined."),
        purpose=N_("So that we can let it online. The number is in memory only, never on a disk."),
        kept=N_("Until its time online is over, or you leave."),
        seen_by=_NOBODY,
        at_erase="unnamed",
        limit="stay",
    ),
    Entry(
        "lease", "device",
        ("run/dnsmasq.leases", "ram/announced addresses", "ram/failed tries"),
        what=N_("Which address your device has just now."),
        purpose=N_("So that answers from the internet find it. In memory only."),
        kept=N_("An hour after your device is gone."),
        seen_by=_NOBODY,
        limit="lease",
    ),
    Entry(
        "token", "device",
        of("node.db", token="token key household left version owner gone"),  # noqa: S106  # the name of a table
        what=N_("A code for your device, and which home it is of."),
        purpose=N_("So that every box of the network knows your device."),
        kept=N_("Until its time online is over. The key to the codes is destroyed each day."),
        seen_by=N_("Nobody. The boxes of the network tell each other."),
        at_erase="unnamed",
        limit="key",
    ),
    Entry(
        "day-keys", "device",
        ("run/day-keys.json",),
        what=N_("The key to the codes of the day."),
        purpose=N_("Without it nobody can tell whose code is whose. In memory only."),
        kept=N_("26 hours. Then it is destroyed."),
        seen_by=_NOBODY,
        limit="key",
    ),
    Entry(
        "pause", "device",
        (*of("node.db", pause="token key ident reason until left boot version writer over"), "run/pauses.json"),
        what=N_("That your device is paused, and why."),
        purpose=N_("So that a pause holds at every box, and you can read the reason."),
        kept=N_("A day at most."),
        seen_by=N_("You. And the people who look after the network, without your name."),
        limit="pause",
    ),
    Entry(
        "remembered", "device",
        (*of("node.db", remembered="token key until version gone revision writer"), "ram/promises"),
        what=N_("A code for your device, if you asked to be remembered."),
        purpose=N_("So that you are online here without pressing anything."),
        kept=N_("90 days, or until you stop it. The key to the codes is destroyed after 120 days."),
        seen_by=N_("Nobody. One box has the codes, the others have the keys."),
        at_erase="unnamed",
        limit="remembered",
    ),
)  # fmt: skip

HOUSEHOLD: tuple[Entry, ...] = (
    Entry(
        "home", "household",
        of("node.db", household="handle shares since trusted"),
        what=N_("That your home has a pass, since when, and how many slices it counts for."),
        purpose=N_("So that all devices of your home share one fair slice."),
        kept=N_("Until your home is erased."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="gone",
    ),
    Entry(
        "lock", "household",
        of("node.db", household="number salt verifier"),
        what=N_("A check of your pass. Never the pass itself."),
        purpose=N_("So that every box can tell if a pass is right."),
        kept=N_("Until your home is erased."),
        seen_by=_NOBODY,
        at_erase="gone",
        withheld=N_("It is the lock that your pass opens. It says nothing about you."),
    ),
    Entry(
        "use", "household",
        of("node.db", ledger="line direction household bytes", use="line direction household bytes"),
        what=N_("How much your home has used in all."),
        purpose=N_("So that each line can be counted, and you can check it."),
        kept=N_("Until your home is erased. Then it counts as use by guests."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="guests",
    ),
    Entry(
        "day", "household",
        of("node.db", daily="day household line direction bytes"),
        what=N_("How much your home used on each day."),
        purpose=N_("So that you can see it day by day, and ask if it looks wrong."),
        kept=N_("37 days."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="gone",
        limit="month",
    ),
    Entry(
        "memory", "household",
        of("node.db", home_memory="line household born seen at shares down up level since ratio wall"),
        what=N_("How much of the busy hours your home used, as one number each way."),
        purpose=N_("So that slices are fair over weeks. Half of it is forgotten each week."),
        kept=N_("Until your home is erased."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="gone",
    ),
    Entry(
        "wish", "household",
        of("node.db", wish="household kind text until left boot version writer over"),
        what=N_("What you asked for: a note about a wrong number, or to be erased."),
        purpose=N_("So that people can answer your note, and no box misses what you asked for."),
        kept=N_("A note for 37 days. That you asked, until your home is erased."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="gone",
        limit="wish",
    ),
    Entry(
        "consent", "household",
        of("node.db", remembered="household receipt purpose text since trusted"),
        what=N_("To what you said yes on a device, and when. Of the number on the receipt only a check."),
        purpose=N_("So that you can stop it, and everybody can see that you were asked."),
        kept=N_("As long as the device is remembered."),
        seen_by=_YOU_AND_STEWARDS,
        at_erase="gone",
        limit="remembered",
    ),
    Entry(
        "steward-code", "household",
        ("ram/codes",),
        what=N_("A short code that opens your page, if you asked somebody for one."),
        purpose=N_("So that you can read your page without your pass. In memory only."),
        kept=N_("15 minutes."),
        seen_by=N_("You, and who gave it to you."),
        at_erase="gone",
        limit="wish",
        withheld=N_("It ends by itself, in memory."),
    ),
)  # fmt: skip
