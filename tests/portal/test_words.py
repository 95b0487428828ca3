from __future__ import annotations

import pytest

from meshctl.portal.figures import Span, rate, span, volume
from meshctl.portal.passes import read_pass


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("7KQ2-M9XD-0TTR-1V5Z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("7kq2m9xd0ttr1v5z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("  7kq2 m9xd\t0ttr 1v5z\n", "7KQ2-M9XD-0TTR-1V5Z"),
        ("7KQ2\u2013M9XD\u2014OTTR\u2212LV5Z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("7KQ2.M9XD.oTTR.iV5Z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("\uff17\uff2b\uff31\uff12M9XD0TTR1V5Z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("7KQ2\u00a0M9XD\u200b0TTR_lv5z", "7KQ2-M9XD-0TTR-1V5Z"),
        ("", None),
        ("7KQ2-M9XD-0TTR-1V5", None),
        ("7KQ2-M9XD-0TTR-1V5ZZ", None),
        ("7KQ2-M9XD-0TTR-1V5U", None),
        ("7KQ2-M9XD-0TTR-1V5?", None),
        ("7KQ2-M9XD-0TTR-1V5é", None),
        ("\x00" * 5000, None),
        ("1" * 5000, None),
    ],
)
def test_a_pass_is_read_the_way_people_write_it(text: str, read: str | None) -> None:
    assert read_pass(text) == read


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0, "0 kbit/s"),
        (256e3, "256 kbit/s"),
        (999_600, "1 Mbit/s"),
        (4.12e6, "4.1 Mbit/s"),
        (20e6, "20 Mbit/s"),
        (1e9, "1,000 Mbit/s"),
    ],
)
def test_a_rate_has_two_or_three_figures(bits: float, words: str) -> None:
    assert rate(bits) == words


@pytest.mark.parametrize(
    ("octets", "words"),
    [(0, "0 kB"), (999, "0 kB"), (1500, "1 kB"), (10**6, "1 MB"), (1_250_000_000, "1.2 GB"), (3 * 10**12, "3 TB")],
)
def test_an_amount_is_decimal(octets: int, words: str) -> None:
    assert volume(octets) == words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, Span(1, "minute")),
        (30, Span(1, "minute")),
        (3_000, Span(50, "minute")),
        (7_000, Span(2, "hour")),
        (86_390, Span(24, "hour")),
        (720 * 3600 - 1, Span(30, "day")),
    ],
)
def test_a_time_is_in_the_unit_that_people_use(seconds: float, expected: Span) -> None:
    assert span(seconds) == expected
