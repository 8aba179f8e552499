"""What a person sees: each dashboard in a headless Chromium, signed in, at its full height.

The browser is talked to through a pipe, so it opens no port. What the page itself says of its charts (errors, no
rows, still at work) is read from its elements, and every address that the page asked for is kept.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.waiting import TookTooLong, wait_until

if TYPE_CHECKING:
    from choreographer import Tab

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, TALL, MARGIN = 1440, 6000, 24
"""Charts outside of the window are not drawn: the window is made taller than any dashboard."""
TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 1.0
STATE = """
(() => {
  const holders = [...document.querySelectorAll('[data-test="chart-grid-component"]')];
  const bottom = (e) => e.getBoundingClientRect().bottom + window.scrollY;
  const name = (e) => e.getAttribute('data-test-chart-name');
  const working = '.loading, [data-test="loading-indicator"]';
  const having = (selector) => holders.filter((e) => e.querySelector(selector));
  return JSON.stringify({
    charts: holders.length,
    drawn: having('.slice_container').filter((e) => !e.querySelector(working)).length,
    errors: having('[role="alert"], .ant-alert, [data-test="error-message"]').map((e) => name(e) + ': ' + e.innerText),
    empty: having('.ant-empty, .ant-empty-image').map(name),
    height: Math.ceil(Math.max(0, ...holders.map(bottom))),
  });
})()
"""

TEXT = "document.body.innerText.slice(0, 500)"
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
Answer = Callable[[], Coroutine[Any, Any, Any]]


class NoBrowser(LakehouseError):
    """No Chromium was found."""


class PageNotReady(LakehouseError):
    """A page did not become what was waited for."""


@dataclass(frozen=True)
class Seen:
    """One dashboard as the browser drew it. `errors` and `empty` name charts.

    `requested` are the hosts that it asked; requests that the server's own policy made the browser hold back are not
    among them.
    """

    slug: str
    charts: int
    errors: list[str]
    empty: list[str]
    requested: set[str]
    picture: bytes = field(repr=False)


def browser_path() -> str | None:
    """The first Chromium on the PATH."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


async def _command(tab: Tab, method: str, **parameters: Any) -> dict[str, Any]:
    answer = await tab.send_command(method, parameters)
    if "error" in answer:
        raise PageNotReady(f"the browser refused {method}: {answer['error']}")
    return dict(answer["result"])


async def _value(tab: Tab, expression: str) -> Any:
    result = await _command(tab, "Runtime.evaluate", expression=expression, returnByValue=True)
    return result["result"].get("value")


async def _until(what: str, ready: Answer, said: Answer) -> None:
    """Ask until the answer is something; raises `PageNotReady` with what the page says when it never is."""
    loop = asyncio.get_running_loop()

    def asked() -> Any:
        return asyncio.run_coroutine_threadsafe(ready(), loop).result(timeout=TIMEOUT_SECONDS)

    try:
        # in a thread of its own: the browser's messages are read meanwhile
        await asyncio.to_thread(wait_until, asked, timeout=TIMEOUT_SECONDS, what=what, every=POLL_SECONDS)
    except (TimeoutError, TookTooLong) as error:
        raise PageNotReady(f"{what}: not after {TIMEOUT_SECONDS:.0f} s. The page says: {await said()}") from error


async def _sign_in(tab: Tab, settings: Settings) -> None:
    """As a person does: name, password, Enter."""

    async def text() -> Any:
        return await _value(tab, TEXT)

    await _command(tab, "Page.navigate", url=f"{settings.superset_url}/login/")
    form = "document.querySelector('input[type=password]') !== null"
    await _until("the page to sign in", lambda: _value(tab, form), text)
    for selector, value in (
        ("input#username, input[name=username]", settings.superset_user),
        ("input[type=password]", settings.superset_password.get_secret_value()),
    ):
        await _value(tab, f"document.querySelector('{selector}').focus()")
        await _command(tab, "Input.insertText", text=value)
    for kind in ("keyDown", "keyUp"):
        await _command(tab, "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                       windowsVirtualKeyCode=13)  # fmt: skip
    inside = "!location.pathname.startsWith('/login') && document.readyState === 'complete'"
    await _until("to be signed in", lambda: _value(tab, inside), text)


async def _window(tab: Tab, height: int) -> None:
    await _command(tab, "Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1,
                   mobile=False)  # fmt: skip


async def _look(tab: Tab, settings: Settings, slug: str, charts: int, requested: dict[str, str]) -> Seen:
    state: dict[str, Any] = {}

    async def drawn() -> bool:
        """All there, and as they were a moment ago: charts move into place, and the page may lay itself out anew."""
        before = dict(state)
        state.update(json.loads(await _value(tab, STATE) or "{}"))
        return before == state and state.get("charts") == charts and state["drawn"] + len(state["errors"]) >= charts

    async def said() -> Any:
        return f"{state} {await _value(tab, TEXT)}"

    requested.clear()
    await _window(tab, TALL)
    await _command(tab, "Page.navigate", url=f"{settings.superset_url}/superset/dashboard/{slug}/")
    await _until(f"dashboard {slug} with {charts} charts", drawn, said)
    await _window(tab, state["height"] + MARGIN)
    await _until(f"dashboard {slug} in its own height", drawn, said)
    await _command(tab, "Runtime.evaluate", expression=PAINTED, awaitPromise=True)
    shot = await _command(tab, "Page.captureScreenshot", format="png")
    return Seen(
        slug, state["charts"], state["errors"], state["empty"], set(requested.values()), base64.b64decode(shot["data"])
    )


async def _look_at_all(settings: Settings, wanted: dict[str, int], then: Callable[[Seen], object]) -> list[Seen]:
    from choreographer import Browser

    path = browser_path()
    if path is None:
        raise NoBrowser(f"none of {', '.join(BROWSERS)} is on the PATH", "install it: apt install chromium")
    requested: dict[str, str] = {}

    async def asked(event: Any) -> None:
        address = urlsplit(event["params"]["request"]["url"])
        if address.hostname:
            requested[event["params"]["requestId"]] = address.hostname

    async def failed(event: Any) -> None:
        if event["params"].get("blockedReason"):
            requested.pop(event["params"]["requestId"], None)

    async with Browser(path, enable_extensions=False, enable_sandbox=os.getuid() != 0) as browser:
        tab = await browser.create_tab("about:blank")
        await _command(tab, "Page.enable")
        await _command(tab, "Network.enable")
        await _command(tab, "Emulation.setScrollbarsHidden", hidden=True)
        tab.subscribe("Network.requestWillBeSent", asked)
        tab.subscribe("Network.loadingFailed", failed)
        await _sign_in(tab, settings)
        seen = []
        for slug, charts in wanted.items():
            seen.append(await _look(tab, settings, slug, charts, requested))
            then(seen[-1])
        return seen


def look_at(settings: Settings, wanted: dict[str, int], then: Callable[[Seen], object] = lambda _: None) -> list[Seen]:
    """Open dashboards (slug → how many charts it has) one by one; `then` gets each when it was drawn.

    Raises `NoBrowser` or `PageNotReady`.
    """
    return asyncio.run(_look_at_all(settings, wanted, then))


def save(seen: Seen, folder: Path) -> Path:
    """Write the picture; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{seen.slug}.png"
    file.write_bytes(seen.picture)
    return file
