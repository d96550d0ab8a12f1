"""``pne embed``: what a clinic's web team copies into its pages, with hashes, policies and what to try by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from bot.settings import read_settings

if TYPE_CHECKING:
    from bot.content import Clinic

console = Console(highlight=False, soft_wrap=True)
NO_PAGE = (
    "No page but this server's own may show this chat. Name each page's origin, as https://www.clinic.example, in "
    "{file} under embedding: origins, and restart the web app."
)
OPEN_LINE = "{url} is not https: browsers show no chat from it on an https page. Give the address with --url."
NO_SIGNING = "{file} has required: true under identity: without a token from your site nobody can open this chat."
APPS = "embedding: webview is true in {file}: any page at all may show this chat in a frame. It is meant for apps only."
TITLES = {
    "loader": "A button that opens the chat (most sites and portals)",
    "in page": "The chat as a part of a page whose scripts are all your own",
    "full page": "A link to the chat as a page of its own",
}
TO_TRY = (
    "The page's console (F12) shows no error of the Content-Security-Policy: when the page opens, when the chat does.",
    "With the keyboard alone: Tab to the button, Enter opens, Tab stays in reach of everything, Escape closes, and the "
    "focus is on the button again.",
    "On a phone: the open chat fills the screen, its cross closes it, and the page behind has not moved.",
    "The button covers nothing that the page needs: cookie notice, basket, another chat. At 400 % zoom too.",
    "Every number under Urgent help is the right one for the clinic's patients, and a tap on it dials.",
    "Leave this page quickly: the page goes blank at once, another one comes, and Back does not lead here.",
    "Close the chat, have a colleague answer from the inbox: the button says that there is a new message.",
    "Go to another page of the site and come back: the chat goes on, or begins anew, as docs/embedding.md says for the "
    "address it has.",
    "Where patients sign in: two test patients see two conversations, and after signing out nothing is left of either.",
    "On a site that is not named in the clinic's file the same lines show no chat.",
)


@dataclass(frozen=True)
class Way:
    """One way to show the chat: the lines for the page, and what the page's policy must allow for them."""

    name: str
    title: str
    html: str
    policy: str


@dataclass(frozen=True)
class Plan:
    """All that ``pne embed`` prints about one clinic."""

    clinic: str
    url: str
    origins: tuple[str, ...]
    webview: bool
    warnings: tuple[str, ...]
    ways: tuple[Way, ...]
    to_try: tuple[str, ...]


def embed(
    clinic: Annotated[str, typer.Argument(help="Clinic id.")] = "",
    url: Annotated[str, typer.Option(help="Where browsers reach this server. Default: PNE_PUBLIC_URL.")] = "",
    token_url: Annotated[
        str, typer.Option(help="Address on the clinic's own site that gives tokens, where its patients sign in.")
    ] = "/pne-token",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Keep the present loader: pages that name its hash get it for good.")
    ] = False,
) -> None:
    """The lines that show the chat on a clinic's pages, with hashes (SRI) and the policies (CSP) they need."""
    if release:
        kept = release_loader()
        console.print(f"{kept.parent.name}/{kept.name} is kept: commit it.")
        if not clinic:
            return
    plan = plan_for(clinic, url or read_settings().public_url, token_url)
    if as_json:
        sys.stdout.write(json.dumps(asdict(plan), ensure_ascii=False, indent=2) + "\n")
        return
    for line in shown(plan):
        console.print(line, markup=False)


def plan_for(clinic_id: str, url: str, token_url: str) -> Plan:
    """Everything about one clinic's pages. Raises ContentError for an unknown clinic or an address that is none."""
    from bot.content import load_clinics
    from bot.content.files import ContentError
    from bot.web.embedding import host_policy

    clinics = load_clinics()
    clinic = clinics.get(clinic_id)
    if clinic is None:
        asked = f"No such clinic: {clinic_id}." if clinic_id else "Which clinic?"
        raise ContentError(f"{asked} There are: {', '.join(sorted(clinics))}.")
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or url.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ContentError(f"{url!r} is not the address of a server, like https://chat.clinic.example.")
    url = url.rstrip("/")
    file = f"data/clinics/{clinic.id}.yml"
    signs = clinic.identity is not None
    policy = host_policy(url, signs)
    warnings = []
    if not clinic.embedding.origins and not clinic.embedding.webview:
        warnings.append(NO_PAGE.format(file=file))
    if clinic.embedding.webview:
        warnings.append(APPS.format(file=file))
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost"):
        warnings.append(OPEN_LINE.format(url=url))
    if clinic.identity is not None and clinic.identity.required:
        warnings.append(NO_SIGNING.format(file=file))
    used = token_url if signs else ""
    tags = {"loader": loader_tag(clinic.id, url, used), "in page": in_page(clinic, url, used)}
    ways = tuple(Way(name, TITLES[name], tags[name], policy[name]) for name in tags)
    ways += (Way("full page", TITLES["full page"], link(clinic, url), ""),)
    return Plan(clinic.id, url, clinic.embedding.origins, clinic.embedding.webview, tuple(warnings), ways, TO_TRY)


def loader_tag(clinic: str, url: str, token_url: str = "") -> str:
    """The script tag of the loader. `token_url`: empty where the clinic signs nobody in."""
    from bot.web.assets import LOADER, load_assets

    made = load_assets()[LOADER]
    token = f' data-token-url="{escape(token_url)}"' if token_url else ""
    return (
        f'<script src="{url}/w/{made.name}" integrity="{made.integrity}" crossorigin="anonymous" '
        f'data-clinic="{escape(clinic)}"{token} defer></script>'
    )


def in_page(clinic: Clinic, url: str, token_url: str = "") -> str:
    """The tags of the element, with the numbers inside it that show where the chat does not come."""
    from bot.web.assets import load_assets
    from bot.web.pages import templates

    strings = _strings(clinic)
    shown = {"clinic": clinic, "strings": strings, "url": url, "assets": load_assets(), "token_url": token_url}
    return templates.get_template("embed_in_page.html").render(shown).strip()


def link(clinic: Clinic, url: str) -> str:
    """A plain link to the chat's own page."""
    return f'<a href="{url}/chat/{escape(clinic.id)}" rel="noreferrer">{escape(_strings(clinic)["tutor_name"])}</a>'


def _strings(clinic: Clinic) -> dict[str, str]:
    """The page's words in the first language of the clinic."""
    from bot.content import load_wording

    wording = load_wording()
    return next((wording.interfaces[tag] for tag in clinic.languages if tag in wording.interfaces), wording.interface)


def release_loader() -> Path:
    """Keeps the present loader under its hashed name. Gives its path."""
    from bot.web.assets import LOADER, RELEASED, load_assets

    made = load_assets()[LOADER]
    RELEASED.mkdir(exist_ok=True)
    path = RELEASED / made.name
    path.write_bytes(made.body)
    return path


def shown(plan: Plan) -> list[str]:
    """The plan as lines to read."""
    lines = [f"Clinic {plan.clinic}, chat at {plan.url}", ""]
    allowed = [*plan.origins, *(["apps (any page)"] if plan.webview else [])]
    lines += ["Pages that may show it: " + (", ".join(allowed) or "none but this server's own")]
    lines += [f"! {warning}" for warning in plan.warnings]
    for way in plan.ways:
        policy = f"Content-Security-Policy: {way.policy}" if way.policy else "No line in the page's policy is needed."
        lines += ["", way.title, "", way.html, "", f"  {policy}"]
    lines += ["", "Add these parts to the page's policy. No style-src is needed, and Trusted Types may stay 'none'."]
    lines += ["", "To try by hand"]
    lines += [f"  {number}. {point}" for number, point in enumerate(plan.to_try, 1)]
    return lines
