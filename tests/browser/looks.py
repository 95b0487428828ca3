"""What a page looks like in a browser, as far as everybody needs it: widths, targets, focus, structure, axe's rules."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import Page

NARROW = 320
"""CSS pixels: the narrowest phone, and what 200 % on 640 or 400 % on 1280 leaves (WCAG 2.2, 1.4.10)."""

LEAST, FINGER = 24, 44
"""CSS pixels of a target: what WCAG 2.2 asks for (2.5.8, in a sentence none), and what a finger likes (2.5.5)."""

_ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RULES: dict[Literal["light", "dark"], list[str]] = {"light": _ALL, "dark": ["cat.color"]}
"""By theme: the second differs from the first in colours alone."""

_SEEN = """() => {
  const name = e => e.tagName.toLowerCase() + ' ' + (e.id || e.textContent).trim().slice(0, 30)
  const shown = e => e.checkVisibility() && !e.classList.contains('skip') && e.type !== 'hidden'
  const targets = [...document.querySelectorAll('a[href], button, input, summary, select, textarea')].filter(shown)
  const box = e => e.getBoundingClientRect()
  const whole = e => e.closest('label') || e  // words around a box to tick belong to it
  const inText = e => getComputedStyle(e).display === 'inline'
  return {
    wide: document.documentElement.scrollWidth - innerWidth,
    outside: [...document.querySelectorAll('main *, header *, nav *, footer *')].filter(e => shown(e) && box(e).width
      && (box(e).right > innerWidth + 0.5 || box(e).left < -0.5)).map(name),
    small: targets.filter(e => !inText(e) && Math.min(box(whole(e)).height, box(whole(e)).width) < LEAST).map(name),
    narrow: targets.filter(e => !inText(e) && box(whole(e)).height < FINGER).map(name),
  }
}""".replace("LEAST", str(LEAST)).replace("FINGER", str(FINGER))

_FRAME = """() => ({
  lang: document.documentElement.lang,
  dir: document.documentElement.dir,
  flow: getComputedStyle(document.body).direction,
  title: document.title,
  heads: document.querySelectorAll('h1').length,
  main: document.querySelectorAll('main').length,
  cookie: document.cookie,
})"""

_SPACES = """() => document.styleSheets[0].insertRule(
  '* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }')"""

_FOCUS = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')].filter(e => {
  if (!e.checkVisibility()) return false
  e.focus()
  const style = getComputedStyle(e), box = e.getBoundingClientRect()
  const ringed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
  return !(ringed && document.activeElement === e && box.right > 0 && box.left < innerWidth && box.bottom > 0)
}).map(e => `${e.tagName} ${e.textContent.trim().slice(0, 30)}`)"""

_AXE = """tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']}).then(found =>
  found.violations.map(one => `${one.id}: ${one.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`))"""


def frame(page: Page) -> dict[str, Any]:
    """Language, direction, title and landmarks."""
    found: dict[str, Any] = page.evaluate(_FRAME)
    return found


def narrow(page: Page) -> list[str]:
    """What is wrong with the page on the narrowest screen, and at twice the size on one of twice that width."""
    page.set_viewport_size({"width": NARROW, "height": 640})
    found = _misfits(page, "320 px")
    page.set_viewport_size({"width": 2 * NARROW, "height": 640})
    page.evaluate("document.documentElement.style.zoom = '2'")
    found += _misfits(page, "640 px at 200 %", sizes=False)
    page.evaluate("document.documentElement.style.zoom = ''")
    return found


def spaced(page: Page) -> list[str]:
    """What no longer fits on the narrowest screen with the space between letters and words that 1.4.12 asks for."""
    page.set_viewport_size({"width": NARROW, "height": 640})
    page.evaluate(_SPACES)
    return _misfits(page, "with spaces", sizes=False)


def _misfits(page: Page, where: str, *, sizes: bool = True) -> list[str]:
    seen = page.evaluate(_SEEN)
    faults = [f"{where}: scrolls sideways by {seen['wide']} px: {seen['outside'][:4]}"] if seen["wide"] > 0 else []
    if sizes:
        faults += [f"{where}: less than {LEAST} px: {one}" for one in seen["small"]]
        faults += [f"{where}: less than {FINGER} px high: {one}" for one in seen["narrow"]]
    return faults


def unseen_focus(page: Page) -> list[str]:
    """What may have the keyboard's focus without showing it."""
    page.keyboard.press("Tab")
    found: list[str] = page.evaluate(_FOCUS)
    return [f"focus is not seen on {one}" for one in found]


def violations(page: Page) -> list[str]:
    """What axe finds, in daylight and in the dark."""
    page.evaluate(_axe())
    found = []
    for scheme, rules in _RULES.items():
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {one}" for one in page.evaluate(_AXE, rules)]
    return found


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
