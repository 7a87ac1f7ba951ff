"""What holds for every answer: names of hosts that are answered, and headers that keep a browser from harm."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import BadInput
from serving.access.config import SecurityConfig
from serving.http.call import is_of_sibling
from serving.http.problems import problem_answer
from serving.metrics import Metrics

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
PROBED = ("/healthz", "/readyz", "/metrics")
"""What probes and Prometheus ask for by a pod's or a machine's address, whatever names members ask by."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise. There is none of CORS: no page of another site may read an answer."""


def is_local(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_guarded(host: str, config: SecurityConfig) -> None:
    """Refuse to listen where anybody may ask. Raises BadInput."""
    if config.keys is None and not config.behind_proxy and not is_local(host):
        raise BadInput(
            f"{host} is reached from other machines, and there are no keys",
            where="--host",
            cure="`rolecall keys new --file KEYS.json` and serve: {security: {keys: KEYS.json}}, or "
            "{behind_proxy: true} where something in front checks who asks",
        )


def hosts_answered(host: str, config: SecurityConfig) -> tuple[str, ...]:
    """The names that a Host header may hold; empty: all."""
    return config.hosts or (LOCAL_NAMES if is_local(host) else ())


class Guard:
    """ASGI middleware: answers to known names alone, and adds `HEADERS` to every answer.

    A page of another site that points a name of its own at this machine (DNS rebinding) is so refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        metrics: Callable[[], Metrics | None],
        any_name: Collection[str] = (),
    ) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            hosts: Names that are answered, without ports; empty: all.
            metrics: Returns the service's metrics, None while it is loading.
            any_name: Paths that are answered to any name.
        """
        self._app, self._metrics, self._any_name = app, metrics, any_name
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._hosts and scope["path"] not in self._any_name and not self._is_known(scope):
            metrics = self._metrics()
            if metrics is not None:
                metrics.refused.labels("host").inc()
            cure = "name it in serve: {security: {hosts: [NAME]}}"
            answer = problem_answer(400, "unknown_host", f"this name is not answered ({cure})")
            return await answer(scope, receive, send_guarded)
        await self._app(scope, receive, send_guarded)

    def _is_known(self, scope: Scope) -> bool:
        return is_of_sibling(scope) or _name(Headers(scope=scope).get("host", "")) in self._hosts


def _name(host: str) -> str:
    """A Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
