"""The review's web server: loopback only, with a token, serving this audit's samples and nothing else."""

from __future__ import annotations

import hmac
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labelaudit.errors import LabelAuditError
from labelaudit.reviewing.decisions import exported
from labelaudit.reviewing.page import content_policy, review_page
from labelaudit.reviewing.session import ReviewSession, StaleError

MAX_BODY = 2**20
HOST = "127.0.0.1"
KINDS = {"csv": "text/csv; charset=utf-8", "json": "application/json", "parquet": "application/vnd.apache.parquet"}


class ReviewServer(ThreadingHTTPServer):
    """Serves one review until `server_close`.

    Args:
        session: the review.
        port: 0 takes a free one.
        reviewer: name that the page starts with.
        embedded: whether a notebook on this machine may show the page in a frame.

    Attributes:
        url: where the page is, with its token: whoever has it can decide.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: ReviewSession, port: int = 0, reviewer: str = "", *, embedded: bool = False) -> None:
        if not 0 <= port < 2**16:
            raise LabelAuditError(f"port {port} is none; expected 0 to 65535, or leave --port out for a free one")
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as problem:
            raise LabelAuditError(f"port {port} cannot be used: {problem.strerror}; leave --port out") from None
        self.session, self.reviewer, self.embedded = session, reviewer, embedded
        self.token = secrets.token_urlsafe(24)
        self.port: int = self.server_address[1]
        self.hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        self.url = f"http://{HOST}:{self.port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that closes a connection early is no error."""


class _RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "labelaudit", ""
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: it would hold the token."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, method: Any) -> None:
        try:
            place = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(place.query).items()}
            self._check(query)
            status, kind, data, more = method(place.path, query)
        except _RefusedError as refused:
            self.close_connection = True
            status, kind, data, more = refused.status, "application/json", _json({"error": str(refused)}), {}
        except LabelAuditError as problem:
            status, kind, data, more = 400, "application/json", _json({"error": str(problem)}), {}
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            **more,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _check(self, query: dict[str, str]) -> None:
        """Refuse other hosts (a name that was bound to this address), other pages, and whoever lacks the token."""
        if self.headers.get("Host") not in self.server.hosts:
            raise _RefusedError(403, "wrong host")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}:
            raise _RefusedError(403, "wrong origin")
        if self.command == "POST" and origin is None:
            raise _RefusedError(403, "no origin")
        token = self.headers.get("X-Review-Token") or query.get("token") or ""
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _RefusedError(403, "wrong token: open the address that labelaudit review printed")

    def _get(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes, dict[str, str]]:
        session = self.server.session
        if path == "/":
            policy = {"Content-Security-Policy": content_policy(embedded=self.server.embedded)}
            return 200, "text/html; charset=utf-8", review_page(self.server.reviewer).encode(), policy
        if path == "/api/view":
            return self._json(session.view(query.get("reviewer", "")))
        if path == "/api/lookalikes":
            asked = (query.get(name, "") for name in ("reviewer", "given", "suggested", "kind"))
            return self._json(session.lookalikes(*asked))
        if path == "/api/disagreements":
            return self._json(session.disagreements(query.get("reviewer", "")))
        if path == "/api/export" and query.get("kind") in KINDS:
            kind = query["kind"]
            name = {"Content-Disposition": f'attachment; filename="decisions.{kind}"'}
            return 200, KINDS[kind], exported(session.table(), kind), name
        number = path.removeprefix("/image/")
        image = session.image(int(number)) if path != number and number.isdecimal() and len(number) < 12 else None
        if image is None:
            raise _RefusedError(404, "there is nothing here")
        kept = "private, max-age=3600"  # the page asks for the next pictures ahead; the token is new with every start
        return 200, image[1], image[0], {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": kept}

    def _post(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes, dict[str, str]]:
        session, asked = self.server.session, self._body()
        reviewer = asked.get("reviewer")
        if not isinstance(reviewer, str):
            raise _RefusedError(400, "no reviewer")
        if path not in ("/api/decide", "/api/undo"):
            raise _RefusedError(404, "there is nothing here")
        try:
            (self._decide if path == "/api/decide" else self._undo)(reviewer, asked)
        except StaleError as stale:
            now = {"decided": session.decided(reviewer, stale.ranks), "view": session.view(reviewer)}
            return 409, "application/json", _json({"error": str(stale), **now}), {}
        return self._json(session.view(reviewer))

    def _decide(self, reviewer: str, asked: dict[str, Any]) -> None:
        ranks, label, seen = asked.get("ranks"), asked.get("label"), asked.get("seen")
        numbers = [] if label is None else [label]
        if not isinstance(ranks, list) or any(type(number) is not int for number in [*ranks, *numbers]):
            raise _RefusedError(400, "expected ranks and label as integers")
        if seen is not None and not isinstance(seen, list):
            raise _RefusedError(400, "expected seen as one step, or null, for each rank")
        self.server.session.decide(reviewer, ranks, str(asked.get("action")), label, seen=seen)

    def _undo(self, reviewer: str, asked: dict[str, Any]) -> None:
        self.server.session.undo(reviewer, seen=asked.get("seen"))

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise _RefusedError(413, "a body of at most 1 MiB is expected")
        if self.headers.get_content_type() != "application/json":
            raise _RefusedError(415, "expected application/json")
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise _RefusedError(400, "expected a JSON object")
        return found

    def _json(self, data: Any) -> tuple[int, str, bytes, dict[str, str]]:
        return 200, "application/json", _json(data), {}


def _json(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False).encode()
