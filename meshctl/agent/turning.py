"""When the agent's loop turns next."""

from __future__ import annotations


def next_turn(due: float, period: float, began: float, ended: float) -> float:
    """Return when the next turn is due after one that was ``due``, ``began`` and ``ended``; all are the loop's seconds.

    In a turn nobody is answered, neighbours and nodes alike. So what was long is followed by as long a time
    for all else, a period at most: one turn right after another would leave none, and a greeting between
    two nodes, which takes several looks at the sockets, would last as many turns.
    """
    return max(due + period, ended + min(ended - began, period))
