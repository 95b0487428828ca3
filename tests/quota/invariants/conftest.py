"""A property that fails shows both sides of what it asserts, as a test does."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"tests.quota.invariants.{name}"
        for name in ("allocation", "dividing", "dynamics", "forgetting", "guests", "levels", "memory", "merging")
    )
)
