"""Policies as they are said on a command line: a base, and values that differ."""

from __future__ import annotations

import tomllib
import typing
from collections.abc import Sequence
from dataclasses import fields, replace

from meshctl.commons.charter import breaches
from meshctl.fields import FieldError, read_table
from meshctl.model import Policy
from meshctl.settings import ConfigError

PLAIN, IN_FORCE = "plain", "in-force"
"""Words that stand for a whole policy to compare with."""


def without_memory(policy: Policy) -> Policy:
    """Return plain max-min: everybody's slice is equal whatever was used."""
    return replace(policy, level_above=(), level_weight=(1.0,))


def changed(base: Policy, changes: Sequence[str], option: str) -> Policy:
    """Return a policy with other values, each said as KEY=VALUE; lists as 1.5,2.5,5.

    Raises `ConfigError` naming the option, for an unknown key, a bad value and one that the charter does not allow.
    """
    hints = typing.get_type_hints(Policy)
    table: dict[str, object] = {}
    for field in fields(base):
        value = getattr(base, field.name)
        table[field.name] = list(value) if isinstance(value, tuple) else value
    for change in changes:
        key, equals, text = (word.strip() for word in change.partition("="))
        if not equals:
            raise ConfigError(option, change, "it is no KEY=VALUE", "Write one such as half_life_days=14.")
        if typing.get_origin(hints.get(key)) is tuple and not text.startswith("["):
            text = f"[{text}]"
        try:
            table[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise ConfigError(option, key, f"{text!r} is no value", "Write a number, or 1.5,2.5,5.") from None
    try:
        policy = read_table(Policy, table)
    except FieldError as fault:
        raise ConfigError(option, fault.key, fault.fault, fault.remedy) from None
    for breach in breaches(policy):
        raise ConfigError(option, breach.key, breach.fault, breach.remedy)
    return policy


def two(base: Policy, said: str, changes: Sequence[str], against: Sequence[str]) -> tuple[Policy, Policy, str, str]:
    """Return the policy to try, the one to compare it with, and both in words. Raises `ConfigError`.

    Without a word of what to compare with, a policy with other values is compared with the ``base``, and the base
    with plain max-min.
    """
    tried = changed(base, changes, "--policy")
    words = ", ".join([said, *changes])
    if PLAIN in against or (not against and not changes):
        rest = [change for change in against if change != PLAIN]
        other = without_memory(changed(tried, rest, "--against"))
        return tried, other, words, ", ".join(["plain max-min, which remembers nothing", *rest])
    rest = [change for change in against if change != IN_FORCE]
    return tried, changed(base, rest, "--against"), words, ", ".join([said, *rest])
