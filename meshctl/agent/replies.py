"""How a verb reads its request and words its reply."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from meshctl.wire import WireError, as_table

Reply = dict[str, Any]
Request = Mapping[str, Any]


def client_address(request: Request) -> str:
    """Return one client address in the kernel's words. Raises `WireError`."""
    try:
        address = ipaddress.ip_address(str(request["address"]).partition("%")[0])
    except (KeyError, ValueError):
        raise WireError("bad-request", "address is one IPv4 or IPv6 address.") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def yes(name: str, view: object) -> Reply:
    """Return the reply that has one dataclass."""
    return {"ok": True, name: as_table(view)}


def no(code: str, message: str) -> Reply:
    """Return the reply that refuses; ``code`` is a word for programs, ``message`` a sentence with the remedy."""
    return {"ok": False, "error": {"code": code, "message": message}}


def unknown_device() -> Reply:
    """Return the refusal for an address behind which no device is seen."""
    return no("unknown-device", "This node sees no device behind that address.")


def unknown_household(request: Request) -> Reply:
    """Return the refusal for a handle that no household has."""
    handle = str(request.get("handle", ""))[:40]
    return no("unknown-household", f"there is no household {handle!r}. `meshctl household list` shows all.")
