"""The verbs of a steward: make the community's key, enrol nodes and withdraw them.

They work on two files, on the steward's own machine, and need no agent: the key, which never leaves
the stewards' hands, and the signed roster, which may be shown to everybody.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from nacl.signing import SigningKey

from meshctl.config import DEFAULT_NODE, Config, load_node
from meshctl.enrolment import Facts, enrol, withdraw
from meshctl.files import write_whole
from meshctl.lists import (
    LIST_LIMIT,
    ListError,
    Member,
    Roster,
    fingerprint,
    is_node_name,
    is_public_key,
    read_roster,
    read_unchecked_roster,
    sign_roster,
)

_KEY, _ROSTER = Path("community.key"), Path("roster.json")

_path = click.Path(path_type=Path, dir_okay=False)
_key = click.option("--key", "key_file", type=_path, default=_KEY, show_default=True, help="The community's key.")
_roster = click.option("--roster", "file", type=_path, default=_ROSTER, show_default=True, help="The signed roster.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


@click.group()
def community() -> None:
    """Make the key that a network's roster is signed with."""


@community.command("new")
@_key
@_json
def community_new(key_file: Path, as_json: bool) -> None:
    """Make the community's key, once for a network, and print its public half for every node's configuration."""
    key = SigningKey.generate()
    try:
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ListError(
            "exists",
            f"{key_file}: it exists and is not overwritten: its network would be lost with it. "
            "Name another with --key.",
        ) from None
    except OSError as fault:
        raise ListError("unwritable", f"{key_file}: {fault.strerror}. Name another place with --key.") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as sink:
        sink.write(base64.b64encode(bytes(key)).decode() + "\n")
        sink.flush()
        os.fsync(descriptor)
    _say_key(key_file, key, as_json)


@community.command("show")
@_key
@_json
def community_show(key_file: Path, as_json: bool) -> None:
    """Print the public half of a community's key again."""
    with _opened_key(key_file) as key:
        _say_key(key_file, key, as_json)


@click.group()
def node() -> None:
    """Enrol, list and withdraw the network's nodes."""


@node.command("enrol")
@click.argument("name")
@click.option("--pub", help="The node's public key, or a file with it: /var/lib/meshctl/node.pub on the node.")
@click.option("--ipv4", help="The node's own address and prefix, such as 10.44.4.1/22. Without: the next free one.")
@click.option(
    "--ipv6", help="The node's own address and prefix, a /64. Without: the next one of the network's own /48."
)
@click.option("--gateway/--no-gateway", default=None, help="Whether it has a line that the network shares.")
@click.option("--hub/--no-hub", default=None, help="Whether it is the node that keeps the roll.")
@click.option("--replace", "replacing", is_flag=True, help="Another board takes this name: withdraw the old one's key.")
@_roster
@_key
def node_enrol(name: str, file: Path, key_file: Path, replacing: bool, pub: str | None, **said: Any) -> None:
    """Enrol a node, or change what the roster says of it."""
    if not is_node_name(name):
        raise ListError(
            "name", f"{name!r} is not a node's name. Use 1 to 32 lower-case letters, digits and inner hyphens."
        )
    facts = Facts(key=_public(pub, "--pub") if pub else None, **said)
    before, after = _change(
        file, key_file, lambda roster, signer: enrol(roster, name, facts, signer, replacing=replacing)
    )
    one = after.member(name)
    assert one is not None
    if after == before:
        click.echo(f"{file}, version {after.version}: nothing changes for {name}. {_describe(one)}")
        return
    click.echo(f"{file}, version {after.version}: {_what_changed(before.member(name), one)}")


@node.command("withdraw")
@click.argument("name")
@_roster
@_key
def node_withdraw(name: str, file: Path, key_file: Path) -> None:
    """Withdraw a node: no other believes it any more, and its number and key are never used again."""
    _, after = _change(file, key_file, lambda roster, _: withdraw(roster, name))
    gone = after.withdrawn[-1]
    click.echo(
        f"{file}, version {after.version}: {name}, node {gone.number}, is withdrawn. Bring the file to any node."
    )


@node.command("list")
@click.option(
    "--roster", "file", type=_path, help="The signed roster.  [default: ./roster.json, else the one in force]"
)
@click.option("--community", help="The community's public key, or a file with it. Without: as the node's file says.")
@click.option("--config", "config_file", type=_path, default=DEFAULT_NODE, show_default=True)
@_json
def node_list(file: Path | None, community: str | None, config_file: Path, as_json: bool) -> None:
    """Show the roster, and whether the community signed it."""
    own = load_node(config_file) if config_file.exists() else None
    if file is None:
        file = _in_force(own) if own and not _ROSTER.exists() else _ROSTER
    public = _public(community, "--community") if community else own.mesh.community if own else ""
    data = _content(file, "Name another with --roster, or make one with `meshctl node enrol`.")
    try:
        roster = read_roster(data, public) if public else read_unchecked_roster(data)
    except ListError as fault:
        remedy = " Say the key of its network with --community." if fault.code == "bad-signature" else ""
        raise ListError(fault.code, f"{file}: {fault}.{remedy}") from None
    if as_json:
        click.echo(json.dumps(_as_table(roster, checked=bool(public)), indent=2))
        return
    _show(file, roster, public)


def _change(file: Path, key_file: Path, change: Callable[[Roster, str], Roster]) -> tuple[Roster, Roster]:
    """Change and sign the roster in a file, and return it as it was and as it is. Raises `ListError`."""
    with _opened_key(key_file) as key:
        before = _signed_by(file, key_file, key)
        try:
            after = change(before, _text(key))
            signed = sign_roster(after, key)
        except ListError as fault:
            raise ListError(fault.code, f"{fault}.") from None
        if after != before:
            try:
                write_whole(file, signed.decode(), 0o644)
            except OSError as fault:
                raise ListError("unwritable", f"{file}: {fault.strerror}. Name another place with --roster.") from None
    return before, after


def _in_force(own: Config) -> Path:
    """Return where the agent put the roster in force, or where the next one is brought to while it has none."""
    published = Path(own.paths.run) / "roster.json"
    return published if published.exists() else Path(own.mesh.roster)


def _show(file: Path, roster: Roster, public: str) -> None:
    signed = f"signed by {fingerprint(public)}" if public else "signature not checked: say --community KEY"
    click.echo(f"{file}  version {roster.version}, {signed}")
    names = [one.name for one in roster.members] + [gone.name for gone in roster.withdrawn]
    width = max(map(len, names), default=4)
    row = f"{{:>4}}  {{:<{width}}}  {{:<12}}  {{:<18}}  {{:<26}}  {{}}"
    click.echo(row.format("no.", "name", "roles", "ipv4", "ipv6", "key"))
    for one in sorted(roster.members, key=lambda one: one.number):
        click.echo(row.format(one.number, one.name, _roles(one) or "-", one.ipv4, one.ipv6, fingerprint(one.key)))
    for gone in sorted(roster.withdrawn, key=lambda gone: gone.number):
        click.echo(row.format(gone.number, gone.name, "withdrawn", "", "", fingerprint(gone.key)))


def _as_table(roster: Roster, *, checked: bool) -> dict[str, Any]:
    table = asdict(roster)
    for one in (*table["members"], *table["withdrawn"]):
        one["fingerprint"] = fingerprint(one["key"])
    return {**table, "checked": checked}


def _what_changed(before: Member | None, now: Member) -> str:
    if before is None:
        return f"{now.name} is enrolled. {_describe(now)}"
    old, new = asdict(before), asdict(now)
    if before.key != now.key:
        return f"{now.name} is another board now; the key {fingerprint(before.key)} is withdrawn. {_describe(now)}"
    changes = "; ".join(
        f"{field} {_say(old[field])} is now {_say(new[field])}" for field in new if old[field] != new[field]
    )
    return f"{now.name} changes: {changes}. {_describe(now)}"


def _describe(one: Member) -> str:
    roles = _roles(one)
    return f"Node {one.number}{f', {roles}' if roles else ''}, {one.ipv4} {one.ipv6}, key {fingerprint(one.key)}."


def _say(value: object) -> str:
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def _roles(one: Member) -> str:
    return ", ".join(role for role, has in (("gateway", one.gateway), ("hub", one.hub)) if has)


def _say_key(file: Path, key: SigningKey, as_json: bool) -> None:
    public = _text(key)
    if as_json:
        click.echo(json.dumps({"key": str(file), "community": public, "fingerprint": fingerprint(public)}))
        return
    click.echo(
        f"{public}\n\nThat is the public half, for `community` in every node's [mesh], or meshctl_community.\n"
        f"The secret half is in {file}: keep it off the network, and a copy in another house.\n"
        "Who has it can add nodes; without it nobody can."
    )


@contextmanager
def _opened_key(file: Path) -> Iterator[SigningKey]:
    """Yield the key in a file, locked, so that two hands never change one roster at once. Raises `ListError`."""
    remedy = "Make one with `meshctl community new`, or name another with --key."
    try:
        source = file.open("rb")
    except OSError as fault:
        raise ListError("key", f"{file}: {fault.strerror}. {remedy}") from None
    with source:
        fcntl.flock(source, fcntl.LOCK_EX)
        text = source.read(1000).decode("ascii", "replace").strip()
        if not is_public_key(text):
            raise ListError("key", f"{file}: it is not the base64 of 32 bytes. {remedy}")
        if os.fstat(source.fileno()).st_mode & 0o077:
            click.echo(f"meshctl: {file}: others can read it. Say: chmod 600 {file}", err=True)
        yield SigningKey(base64.b64decode(text))


def _signed_by(file: Path, key_file: Path, key: SigningKey) -> Roster:
    """Return the roster in a file that this key signed, or an empty one where there is none yet."""
    if not file.exists():
        return Roster(version=0)
    data = _content(file, "Name another with --roster.")
    try:
        return read_roster(data, _text(key))
    except ListError as fault:
        remedy = f"Name the key that signed it with --key; {key_file} did not." if fault.code == "bad-signature" else ""
        raise ListError(fault.code, f"{file}: {fault}. {remedy}".rstrip()) from None


def _content(file: Path, remedy: str) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(LIST_LIMIT + 1)
    except OSError as fault:
        raise ListError("file", f"{file}: {fault.strerror}. {remedy}") from None


def _public(said: str, option: str) -> str:
    """Return the public key that was said itself, or that is in the file that was said."""
    text = said.strip()
    if text.endswith(".key"):
        raise ListError(
            "key", f"{option}: {said} holds a secret half, which nobody may see. Name the file ending in .pub."
        )
    if not is_public_key(text) and Path(said).is_file():
        text = _content(Path(said), "").decode("ascii", "replace").strip()
    if not is_public_key(text):
        raise ListError("key", f"{option}: {said!r} is neither the base64 of a 32-byte key nor a file with one.")
    return text


def _text(key: SigningKey) -> str:
    return base64.b64encode(bytes(key.verify_key)).decode()
