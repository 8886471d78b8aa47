"""What is asked of each request before Gradio sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "frame-ancestors 'self'",
    )
)
"""The page may fetch from its own server alone (Content-Security-Policy, level 3)."""


class Guard:
    """ASGI middleware: bounds what a request may hold, refuses files, and forbids the page to fetch from elsewhere.

    Args:
        app: what is guarded.
        largest: bytes of a request at most.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]], largest: int) -> None:
        self._app, self._largest = app, largest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"].rstrip("/").endswith("/upload"):
            return await _refuse(send, 403, "this page takes no files; pictures are answered in memory")
        if scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                return await _refuse(send, 411, "say how long the request is")
            if int(length) > self._largest:
                return await _refuse(send, 413, "this picture is too large")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        return await self._app(scope, receive, guarded)


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
