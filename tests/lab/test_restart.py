from __future__ import annotations

from meshctl.lab.restart import FIRST_DELAY, LONGEST_DELAY, MOST_FAILURES, SETTLED, Past, after_end


def test_a_service_that_was_ready_is_back_at_once_however_often_it_is_killed() -> None:
    past = Past()
    for count in range(1, 101):
        past, delay = after_end(past, lived=0.3, was_ready=True)
        assert delay == FIRST_DELAY
        assert past.restarts == count


def test_one_that_never_gets_ready_backs_off_and_is_given_up() -> None:
    past, delays = Past(), []
    while True:
        past, delay = after_end(past, lived=0.1, was_ready=False)
        if delay is None:
            break
        delays.append(delay)
    assert delays == sorted(delays)
    assert max(delays) <= LONGEST_DELAY
    assert past.failures == MOST_FAILURES == len(delays) + 1


def test_a_long_life_forgives_earlier_failures() -> None:
    past, _ = after_end(Past(failures=4), lived=SETTLED, was_ready=False)
    assert past.failures == 0
