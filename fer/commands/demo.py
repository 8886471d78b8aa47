"""`python -m fer demo`: a page in the browser that asks models about pictures and the camera."""

import ipaddress
import logging
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from fer.demo.models import find_models, first
from fer.errors import ConfigError, FerError
from fer.runs.demo import DemoRun

if TYPE_CHECKING:
    from fer.demo.panel import Panel

log = logging.getLogger(__name__)


def demo(run: DemoRun) -> None:
    """Serve the page until Ctrl-C."""
    models = find_models(run.models)
    _check_free(run.host, run.port)
    from fer.demo.page import build, serve
    from fer.demo.panel import Panel

    panel = Panel(models, run)
    page = build(panel, run)
    serve(page, run)
    print(f"http://{run.host}:{run.port} (Ctrl-C ends); {len(models)} models", flush=True)
    if not _loopback(run.host):
        log.warning("host: anyone who reaches %s may ask the models", run.host)
    threading.Thread(target=_warm, args=(panel, first(models)), daemon=True).start()
    try:
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    finally:
        page.close(verbose=False)
        panel.close()


def _check_free(host: str, port: int) -> None:
    """Say that a port is taken before Gradio is loaded for nothing."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]  # Python adds the address
        raise ConfigError(
            f"port: cannot serve on {host}:{port} ({reason}); choose another one with port= or host="
        ) from error


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _warm(panel: "Panel", name: str) -> None:
    """Open the first model while the page is being looked at; what is wrong with it, its answer says too."""
    try:
        panel.warm(name)
    except FerError as error:
        log.warning("%s", error)
