"""All invariants, each with the broken variants that it is shown to catch; docs/invariants.md prints this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import Any

from tests.quota.invariants import (
    allocation,
    dividing,
    dynamics,
    forgetting,
    guests,
    levels,
    memory,
    merging,
)
from tests.quota.invariants import mutants_of_memory as broken_memory
from tests.quota.invariants import mutants_of_plans as broken_plan
from tests.quota.invariants import mutants_of_sharing as broken
from tests.quota.invariants.algorithm import PRODUCT, Algorithm

Property = Callable[[Any, Algorithm], None]


@dataclass(frozen=True)
class Mutant:
    """The algorithm with one function replaced by a broken one."""

    name: str
    fault: str
    algorithm: Algorithm


@dataclass(frozen=True)
class Invariant:
    """A property, the promise of the design that it is part of, and the mutants that it catches."""

    promise: str
    holds: Property
    mutants: tuple[Mutant, ...]

    @property
    def name(self) -> str:
        """Return its name in words."""
        return self.holds.__name__.replace("_", " ")

    @property
    def room(self) -> str:
        """Return the module it stands in."""
        return self.holds.__module__.rpartition(".")[2]

    @property
    def statement(self) -> str:
        """Return what it says."""
        return " ".join((getdoc(self.holds) or "").split("\n\n")[0].split())


def mutant(part: str, function: Callable[..., Any]) -> Mutant:
    """Return the algorithm with ``function`` in place of one part."""
    owner = function if not hasattr(function, "__self__") else type(function.__self__)
    fault = (getdoc(owner) or "").split("\n\n")[0]
    return Mutant(owner.__name__.replace("_", " ").lower(), fault, replace(PRODUCT, **{part: function}))


RESTLESS = broken_plan.Restless().decide

ROWS: tuple[tuple[str, Property, list[tuple[str, Callable[..., Any]]]], ...] = (
    ("feasible", allocation.feasible,
     [("max_min", broken.more_than_there_is), ("allocate", broken.overcommitted)]),
    ("work-conserving", allocation.work_conserving,
     [("max_min", broken.without_lending), ("max_min", broken.one_round), ("allocate", broken.without_borrowing)]),
    ("no starvation", allocation.no_starvation,
     [("max_min", broken.by_priority), ("allocate", broken.guests_first), ("decide", broken_plan.floor_forgotten),
      ("decide", broken_plan.floors_before_guests)]),
    ("no starvation", dividing.floors_hold,
     [("decide", broken_plan.floor_told_too_high), ("decide", broken_plan.floor_forgotten)]),
    ("no starvation", dividing.a_newcomer_has_its_slice_at_once,
     [("decide", broken_plan.newcomers_last)]),
    ("no starvation", dynamics.every_turn_is_fair,
     [("decide", broken_plan.floor_forgotten), ("allocate", broken.without_borrowing)]),
    ("max-min fair", allocation.fair,
     [("max_min", broken.by_demand), ("max_min", broken.lighter_is_more)]),
    ("max-min fair", allocation.asking_gains_nothing,
     [("max_min", broken.by_demand), ("allocate", broken.borrowing_by_wish)]),
    ("monotone", allocation.lower_level_never_gets_less,
     [("max_min", broken.lighter_is_more), ("decide", broken_plan.weights_upside_down)]),
    ("monotone", dividing.levels_only_lower,
     [("decide", broken_plan.weights_upside_down)]),
    ("monotone", dividing.rates_follow_weights,
     [("decide", broken_plan.levels_ignored)]),
    ("monotone", memory.more_bytes_never_lower_the_ratio,
     [("advance", broken_memory.more_is_less)]),
    ("monotone", levels.a_higher_ratio_never_has_a_lower_level,
     [("level_of", broken_memory.lower_for_more)]),
    ("monotone", dynamics.whoever_used_no_more_is_no_lower,
     [("advance", broken_memory.more_is_less), ("advance", broken_memory.the_first_charged_double)]),
    ("charge conserved per tick", memory.charges_are_conserved,
     [("advance", broken_memory.bytes_added_as_they_are), ("advance", broken_memory.bursts_are_charged_whole),
      ("advance", broken_memory.slices_of_everybody_ever), ("advance", broken_memory.shares_forgotten)]),
    ("charge conserved per tick", dynamics.use_is_never_above_the_line,
     [("advance", broken_memory.shares_forgotten), ("advance", broken_memory.contended_never_fades)]),
    ("charge conserved per tick", memory.a_slice_is_one,
     [("advance", broken_memory.slices_of_everybody_ever), ("advance", broken_memory.slices_of_those_here),
      ("ratio", broken_memory.both_directions_added)]),
    ("charge conserved per tick", dynamics.the_modest_stay,
     [("ratio", broken_memory.both_directions_added), ("advance", broken_memory.shares_forgotten)]),
    ("free where it holds nobody back", memory.what_holds_nobody_back_is_free,
     [("advance", broken_memory.everything_is_charged), ("advance", broken_memory.the_lonely_are_charged)]),
    ("tick-length invariant", memory.the_tick_does_not_matter,
     [("advance", broken_memory.bytes_added_as_they_are), ("advance", broken_memory.decay_by_the_tick)]),
    ("tick-length invariant", forgetting.a_full_line_fills_its_memory,
     [("advance", broken_memory.capacity_never_fades)]),
    ("forgetting", forgetting.half_is_forgotten,
     [("advance", broken_memory.nothing_is_forgotten), ("advance", broken_memory.decay_by_the_tick),
      ("ratio", broken_memory.newcomer_for_ever), ("ratio", broken_memory.use_as_it_was)]),
    ("forgetting", forgetting.the_date_of_return_is_right,
     [("seconds_to_full", broken_memory.to_half_the_threshold),
      ("seconds_to_full", broken_memory.without_margin_of_return), ("level_of", broken_memory.never_down)]),
    ("forgetting", forgetting.the_larger_direction_counts,
     [("ratio", broken_memory.both_directions_added), ("ratio", broken_memory.use_as_it_was)]),
    ("hysteresis", levels.a_wavering_ratio_does_not_flap,
     [("level_of", broken_memory.without_margin)]),
    ("hysteresis", levels.a_level_says_where_the_ratio_is,
     [("level_of", broken_memory.never_down), ("level_of", broken_memory.lower_for_more)]),
    ("hysteresis", dividing.nothing_new_changes_nothing,
     [("decide", RESTLESS), ("decide", broken_plan.levels_flip)]),
    ("exact", dividing.sums_are_exact,
     [("decide", broken_plan.rounding_lost)]),
    ("merge commutes and is idempotent", merging.any_order_gives_the_truth,
     [("join", broken_memory.by_arrival), ("join", broken_memory.whole_forgotten),
      ("join", broken_memory.by_the_newest_row)]),
    ("merge commutes and is idempotent", merging.merging_commutes,
     [("join", broken_memory.by_arrival)]),
    ("merge commutes and is idempotent", merging.merging_is_associative,
     [("join", broken_memory.whole_forgotten), ("join", broken_memory.by_the_newest_row)]),
    ("merge commutes and is idempotent", merging.merging_is_idempotent,
     [("join", broken_memory.figures_added)]),
    ("permutation invariant", allocation.order_of_wishes,
     [("max_min", broken.first_come), ("allocate", broken.by_order)]),
    ("permutation invariant", dividing.who_comes_first_does_not_matter,
     [("decide", broken_plan.the_first_favoured)]),
    ("permutation invariant", dividing.which_number_a_home_has_does_not_matter,
     [("decide", broken_plan.odd_numbers_favoured)]),
    ("permutation invariant", forgetting.names_do_not_matter,
     [("advance", broken_memory.the_first_charged_double)]),
    ("scale invariant", allocation.no_unit,
     [("max_min", broken.weights_in_kbit)]),
    ("scale invariant", forgetting.ratios_have_no_unit,
     [("advance", broken_memory.capacity_in_megabits)]),
    ("device-split invariant", dividing.more_devices_gain_nothing,
     [("decide", broken_plan.devices_counted)]),
    ("guest-split bounded", guests.guests_are_pooled,
     [("decide", broken_plan.guest_share_forgotten), ("decide", broken_plan.guests_unpooled)]),
    ("guest-split bounded", guests.guests_leave_homes_theirs,
     [("allocate", broken.flat), ("decide", broken_plan.guests_unpooled)]),
    ("guest-split bounded", guests.splitting_is_bounded,
     [("allocate", broken.flat), ("decide", broken_plan.guest_share_forgotten)]),
    ("guest-split bounded", guests.one_guest_more_only_takes,
     [("decide", broken_plan.a_pool_that_shrinks)]),
    ("guest-split bounded", guests.guests_are_alike,
     [("decide", broken_plan.the_first_guest_favoured)]),
    ("guest-split bounded", allocation.parents_lend,
     [("allocate", broken.flat), ("allocate", broken.guests_first)]),
)  # fmt: skip
"""Promise of the design, property, and the part of the algorithm that is replaced by a broken one."""

INVARIANTS = tuple(
    Invariant(promise, holds, tuple(mutant(part, function) for part, function in faults))
    for promise, holds, faults in ROWS
)
GROUPS = {
    "sharing": ("allocation", "dividing", "guests"),
    "remembering": ("memory", "forgetting", "levels"),
    "both in turn": ("dynamics",),
    "merging": ("merging",),
}
"""Modules whose invariants are all checked on the same systems, one after the other."""


def table() -> str:
    """Return all of it as two tables in Markdown: what holds, and what was broken to see it fail."""
    lines = ["| promise | invariant | it catches | in |", "|---|---|---|---|"]
    caught: dict[str, str] = {}
    for one in INVARIANTS:
        names = ", ".join(mutant.name for mutant in one.mutants)
        lines.append(f"| {one.promise} | **{one.name}**: {one.statement} | {names} | `{one.room}` |")
        caught |= {mutant.name: mutant.fault for mutant in one.mutants}
    lines += ["", "| broken variant | what is wrong with it |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {caught[name]} |" for name in sorted(caught))])
