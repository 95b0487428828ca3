"""Which language a page speaks: the one chosen in its address, else what the browser asks for, else English.

The choice is the first part of the path, ``/es/share``. Links and forms are relative, so it stays without a
cookie, and works in the small browsers in which phones open a portal. ``/share?lang=es`` leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from flask import Flask, current_app, g, has_request_context, redirect, request
from flask_babel import Babel, get_locale
from markupsafe import Markup
from werkzeug.wrappers import Response

CATALOGUES = Path(__file__).parent / "translations"

_CHOICE = "meshctl.language"


@dataclass(frozen=True)
class Language:
    """A language of the pages: its tag (BCP 47), its name in itself, and which way it is written."""

    tag: str
    name: str
    direction: Literal["ltr", "rtl"] = "ltr"


LANGUAGES = (
    Language("en", "English"),
    Language("es", "Español"),
    Language("fr", "Français"),
    Language("de", "Deutsch"),
    Language("pt", "Português"),
    Language("ar", "العربية", "rtl"),
    Language("hi", "हिन्दी"),
    Language("sw", "Kiswahili"),
)

_BY_TAG = {language.tag: language for language in LANGUAGES}


def speak(app: Flask) -> None:
    """Give an application the catalogues, and its templates ``language``, ``languages``, ``here`` and ``root``.

    ``here`` is the page's own path without a language, for links to the same page in another; ``root`` is the
    first page in the language that was chosen.
    """
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGUES)
    Babel(app, locale_selector=_wanted)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.wsgi_app = _ChosenByPath(app.wsgi_app)  # type: ignore[method-assign]
    app.jinja_env.globals["languages"] = LANGUAGES

    @app.context_processor
    def about_the_page() -> dict[str, Any]:
        root = f"{request.script_root}/" if has_request_context() else "/"
        return {"language": spoken(), "here": _here(), "root": root}


def spoken() -> Language:
    """The language of the page that is being made."""
    locale = get_locale()
    return _BY_TAG["en" if locale is None else locale.language]


def bare(text: str) -> Markup:
    """What no language turns around: a pass, an address, the name of a box."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(text)


def chosen() -> str | None:
    """The language in the address, or ``None`` where there is none."""
    tag: str | None = request.environ.get(_CHOICE)
    return tag


def spoken_there(root: str) -> str:
    """The root of a box's pages, this one's or another's, in the language in the address; links cannot be relative."""
    tag = chosen()
    return f"{root}{tag}/" if tag else root


def _here() -> str:
    """The path of the page that can be read at this address, or the first page's: a button or a fault has none."""
    if not has_request_context() or request.url_rule is None:
        return ""
    adapter = current_app.create_url_adapter(request)
    return request.path.lstrip("/") if adapter is not None and adapter.test(request.path, "GET") else ""


def lead() -> Response | None:
    """Lead who names a language in another way to the page's address in it."""
    plain, asked = request.path.removeprefix("/"), _plain(request.args.get("lang", ""))
    if request.method not in ("GET", "HEAD"):
        return None
    if asked in _BY_TAG:
        others = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "lang"])
        return redirect(f"/{asked}{quote(request.path)}{'?' if others else ''}{others}", 302)
    return redirect(f"/{plain}/", 302) if plain in _BY_TAG and chosen() is None else None


def _wanted() -> str:
    if not has_request_context():
        return "en"
    if "language" not in g:
        g.language = chosen() or _liked()
    tag: str = g.language
    return tag


def _liked() -> str:
    """The first language that the browser names, of whatever country, which there is."""
    for tag, quality in request.accept_languages:
        plain = _plain(tag)
        if quality > 0 and plain in _BY_TAG:
            return plain
    return "en"


def _plain(tag: str) -> str:
    """The language of a tag, of whatever country and script."""
    return tag.replace("_", "-").partition("-")[0].lower()


class _ChosenByPath:
    """Takes the language off the path, as if the pages were mounted below it (PEP 3333, SCRIPT_NAME)."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # A request for a whole address without a path means the first page; a redirect there would repeat its host.
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        first, slash, rest = environ["PATH_INFO"].removeprefix("/").partition("/")
        environ.pop(_CHOICE, None)
        if slash and first in _BY_TAG:
            environ[_CHOICE] = first
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{first}"
            environ["PATH_INFO"] = f"/{rest}"
        return self._application(environ, start_response)
