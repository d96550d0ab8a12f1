"""Pages of other sites around the chat: a tiny server on a port, so an origin, of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """`pages` by path: HTML and the Content-Security-Policy it comes under. POST /token takes the next of `tokens`."""

    origin: str
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, body: str, policy: str = "", head: str = "", lang: str = "en") -> str:
        """Serves a page; gives its address."""
        html = f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Clinic</title>'
        html += f"{head}</head><body>{body}</body></html>"
        self.pages[path] = (html, policy)
        return f"{self.origin}{path}"


@contextmanager
def running_site(name: str = "localhost") -> Iterator[Site]:
    """A site at http://localhost on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/favicon.ico":
                self.send_response(204)
                self.end_headers()
                return
            html, policy = site.pages.get(self.path.partition("?")[0], ("", ""))
            self.answer("text/html; charset=utf-8", html.encode(), policy)

        def do_POST(self) -> None:
            site.asked.append(self.path)
            token = site.tokens.pop(0) if site.tokens else None
            self.answer("application/json", json.dumps({"token": token}).encode())

        def answer(self, kind: str, body: bytes, policy: str = "") -> None:
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if policy:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the tests look at the page."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(f"http://{name}:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
