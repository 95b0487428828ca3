"""My data: what is kept of a home, to see, take along, correct and erase for whoever has its key; and forget me."""

from __future__ import annotations

import json
import time
from datetime import date

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext

from meshctl.household_data import Mine
from meshctl.portal.agent_client import Refused
from meshctl.portal.days import rows_of, together
from meshctl.portal.figures import date_name
from meshctl.portal.join import agent, client_address
from meshctl.portal.keys import STATUS, Key, again, safe_address, takes_passes, typed

pages = Blueprint("mine", __name__)

_LONGEST_TYPED = 1000

Page = str | Response | tuple[str, int]


@pages.get("/mine")
def form() -> str:
    """Ask for the pass or a code."""
    return _form(None)


@pages.post("/mine")
def show() -> Page:
    """What is kept of the home whose key was typed."""
    key = typed()
    if isinstance(key, str):
        return _form(key), STATUS[key]
    try:
        return _shown(key, request.form.get("part", ""))
    except Refused as refusal:
        return _refused(refusal)


@pages.post("/mine-download")
def download() -> Page:
    """All of it as one file."""
    key = typed()
    if isinstance(key, str):
        return _form(key), STATUS[key]
    try:
        found = agent().export(client_address(), key.words)
    except Refused as refusal:
        return _refused(refusal)
    for entry in found["register"]:
        for words in ("what", "purpose", "kept", "seen_by", "not_here_because"):
            entry[words] = gettext(entry[words]) if entry[words] else ""
    text = json.dumps(found, ensure_ascii=False, indent=1)
    name = f'attachment; filename="home-{found["home"]}.json"'
    return Response(text, mimetype="application/json", headers={"Content-Disposition": name})


@pages.post("/mine-correct")
def correct() -> Page:
    """Keep a note to the people who look after the network, or make this device a guest."""
    if request.form.get("unlink"):
        return _do("correct", "unlink", unlink=True)
    return _do("correct", "note", note=request.form.get("note", "")[:_LONGEST_TYPED])


@pages.post("/mine-erase")
def erase() -> Page:
    """Have the home erased after a day."""
    if request.form.get("sure") == "yes":
        return _do("erase", "erase")
    key = typed()
    if isinstance(key, str):
        return _form(key), STATUS[key]
    try:
        return _shown(key, fault="not-sure"), STATUS["not-sure"]
    except Refused as refusal:
        return _refused(refusal)


@pages.post("/mine-keep")
def keep() -> Page:
    """Take that back."""
    return _do("erase-cancel", "kept")


@pages.get("/forget")
def forget_form() -> str:
    """Ways to be forgotten: this device, and a home."""
    return render_template("forget.html", done=False, locked=takes_passes())


@pages.post("/forget")
def forget() -> str:
    """This device is a visitor again, everywhere, and nobody remembers it."""
    agent().forget(client_address())
    return render_template("forget.html", done=True, locked=takes_passes())


def _do(verb: str, said: str, **words: object) -> Page:
    key = typed()
    if isinstance(key, str):
        return _form(key), STATUS[key]
    try:
        agent().change_home(verb, client_address(), key.words, **words)
        return _shown(key, said=said)
    except Refused as refusal:
        if refusal.code == "bad-note":
            return _shown(key, "wrong", fault="bad-note"), STATUS["bad-note"]
        return _refused(refusal)


def _form(fault: str | None) -> str:
    text = again(fault) if fault else ""
    return render_template("mine.html", fault=fault, text=text, safe=safe_address("mine"), here="mine")


def _refused(refusal: Refused) -> Page:
    if refusal.code not in STATUS:
        raise refusal
    return _form(refusal.code), STATUS[refusal.code]


def _shown(key: Key, part: str = "", said: str = "", fault: str = "") -> str:
    mine = agent().mine(client_address(), key.words)
    if part == "days":
        rows, sums = rows_of(mine.days), together(mine.days)
        return render_template("days.html", household=mine.household, rows=rows, together=sums, others=[], start="./")
    if part == "why":
        return render_template("mine-why.html", mine=mine, key=key.text, here="mine")
    if part == "wrong":
        note = request.form.get("note", "")[:_LONGEST_TYPED] if fault else mine.note
        return render_template("mine-wrong.html", mine=mine, key=key.text, note=note, fault=fault, here="mine")
    return render_template(
        "mine-shown.html", mine=mine, key=key.text, said=said, fault=fault, since=_since(mine), here="mine"
    )


def _since(mine: Mine) -> str:
    if mine.since is None:
        return ""
    there = time.localtime(mine.since)
    return date_name(date(there.tm_year, there.tm_mon, there.tm_mday))
