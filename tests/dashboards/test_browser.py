"""Waiting for a page: asked again until it is ready, its messages read meanwhile; what it says when it never is."""

from __future__ import annotations

import asyncio

import pytest

from lakehouse.dashboards import browser


async def says_little() -> str:
    return "Loading…"


def test_a_page_is_asked_until_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "POLL_SECONDS", 0.01)
    asked, message = list[int](), asyncio.Event()

    async def ready() -> bool:
        asked.append(len(asked))
        if len(asked) == 2:
            # another task of the same loop gets its turn between two questions
            asyncio.get_running_loop().call_soon(message.set)
        return message.is_set() and len(asked) > 3

    asyncio.run(browser._until("the page", ready, says_little))
    assert asked == [0, 1, 2, 3]


def test_a_page_that_is_never_ready_says_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(browser, "POLL_SECONDS", 0.01)

    async def never() -> bool:
        return False

    with pytest.raises(browser.PageNotReady, match=r"the page: not after .* Loading…"):
        asyncio.run(browser._until("the page", never, says_little))


def test_a_page_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "TIMEOUT_SECONDS", 0.1)

    async def silent() -> bool:
        return await asyncio.Event().wait()

    with pytest.raises(browser.PageNotReady, match="Loading"):
        asyncio.run(browser._until("the page", silent, says_little))
