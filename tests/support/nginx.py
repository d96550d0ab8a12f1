"""A real nginx on loopback with the configuration that is shipped, in front of small backends or of the web app."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.manifests import DEPLOY, included

SHIPPED = DEPLOY / "nginx"
HOST = "chat.example.org"
# Debian's, where PATH has no sbin.
PLACES = (None, "/usr/sbin:/usr/local/sbin")


def find_nginx() -> str | None:
    """The path of an installed nginx."""
    return next((found for path in PLACES if (found := shutil.which("nginx", path=path))), None)


def need_nginx() -> str:
    """An installed nginx, or Debian's, installed now where that is allowed. Raises SystemExit with the mend."""
    path = find_nginx()
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light"]
        subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL)
        path = find_nginx()
    if path is None:
        raise SystemExit("No nginx for the tests. Install it: apt-get install nginx-light")
    return path


@dataclass
class Backend:
    """A stand-in for a web process. It notes what it was asked; its streams say one thing, and another when told."""

    name: str
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    open: set[socket.socket] = field(default_factory=set)
    drop_next: bool = False
    status: int = 200
    server: ThreadingHTTPServer | None = None
    port: int = 0

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), handler_of(self))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.go_on.set()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            for connection in tuple(self.open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def handler_of(backend: Backend) -> type[BaseHTTPRequestHandler]:
    """How the stand-in answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            backend.open.add(self.connection)

        def finish(self) -> None:
            backend.open.discard(self.connection)
            super().finish()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            backend.asked.append((self.command, self.path, headers))
            if backend.drop_next:
                backend.drop_next = False
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if self.path.endswith(("/events", "/live")):
                self.stream()
                return
            found = backend.files.get(self.path)
            missing = self.path.startswith("/w/") and found is None
            body = found if found is not None else backend.name.encode()
            self.send_response(404 if missing else backend.status)
            self.send_header("X-Backend", backend.name)
            self.send_header("Content-Length", str(len(body)))
            if found is not None:
                self.send_header("Cache-Control", "public, max-age=31536000, immutable")
            self.end_headers()
            self.wfile.write(body)

        def stream(self) -> None:
            self.send_response(200)
            self.send_header("X-Backend", backend.name)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.wfile.flush()
            backend.go_on.wait(20)
            self.wfile.write(b"data: second\n\n")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class Named(httpx.HTTPTransport):
    """Asks loopback for a certificate of the shipped name, as a browser would that has looked the name up."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": HOST}
        return super().handle_request(request)


@dataclass
class Nginx:
    """A running nginx. `url` is its address with TLS, `plain` the one without."""

    folder: Path
    url: str
    plain: str
    certificate: Path

    def client(self, **more: Any) -> httpx.Client:
        """A client that trusts the certificate of the test and asks for the shipped name."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        headers = {"host": HOST, **more.pop("headers", {})}
        return httpx.Client(base_url=self.url, transport=Named(verify=context), headers=headers, timeout=10, **more)

    def log(self) -> str:
        """What the access log says."""
        return (self.folder / "log" / "access.log").read_text()


@contextmanager
def running(folder: Path, ports: Sequence[int], pages: Path, site: str = "pne.conf") -> Iterator[Nginx]:
    """nginx with the shipped files, for the block. Only addresses, the ports and what a container has are changed."""
    tls, plain = free_ports(2)
    configuration = render(folder, ports, pages, tls, plain, site)
    binary = need_nginx()
    command = [binary, "-p", str(folder), "-c", str(configuration)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(tls if site == "pne.conf" else plain, process)
        yield Nginx(folder, f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{plain}", folder / "pne/tls/fullchain.pem")
    finally:
        process.terminate()
        process.wait(10)


def render(folder: Path, ports: Sequence[int], pages: Path, tls: int, plain: int, site: str) -> Path:
    """Puts the shipped files below `folder` as they would be below /etc/nginx. The path of the main file."""
    for made in ("conf.d", "pne/tls", "log", "cache", "tmp"):
        (folder / made).mkdir(parents=True)
    shutil.copytree(pages, folder / "pne/outage")
    changed = {
        "/var/log/nginx": f"{folder}/log",
        "/var/cache/pne-nginx": f"{folder}/cache",
        "/etc/nginx": str(folder),
        " /tmp/": f" {folder}/tmp/",
        "listen 443 ssl http2": f"listen 127.0.0.1:{tls} ssl http2",
        "listen 80 ": f"listen 127.0.0.1:{plain} ",
        "listen 8080 ": f"listen 127.0.0.1:{plain} ",
        "10.244.0.0/16": "127.0.0.1",
    }
    found = re.compile("|".join(re.escape(old) for old in changed))
    shipped = {"nginx.conf": "nginx.conf", site: "conf.d/pne.conf"}
    shipped |= {name: name for name in included(SHIPPED / site) - {"pne/upstream.conf"}}
    for source, target in shipped.items():
        text = (SHIPPED / source).read_text()
        (folder / target).write_text(found.sub(lambda one: changed[one.group()], text))
    (folder / "mime.types").write_text("types { text/html html; }\n")
    pattern = re.compile(r"server 127\.0\.0\.1:80\d\d")
    one_server = (SHIPPED / "upstream/one-server.conf").read_text()
    given = iter(ports)
    (folder / "pne/upstream.conf").write_text(pattern.sub(lambda _: f"server 127.0.0.1:{next(given)}", one_server))
    main = folder / "nginx.conf"
    if os.geteuid() == 0:  # its workers would be nobody, who may not read a folder of the test
        main.write_text("user root;\n" + main.read_text())
    certificate(folder / "pne/tls")
    return main


def certificate(folder: Path) -> None:
    """A certificate for the shipped name and loopback that signs itself, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "privkey.pem").write_bytes(private)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Until somebody listens on `port`. Raises AssertionError where the process ends first, or it takes too long."""
    until = time.monotonic() + seconds
    while True:
        assert process.poll() is None and time.monotonic() < until, "nginx did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
