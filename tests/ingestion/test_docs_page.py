"""The description's page needs nothing from another host."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lakehouse.ingestion.docs_page import PAGE, add_docs_page


@pytest.fixture
def client() -> TestClient:
    app = FastAPI(title="A title", docs_url=None, redoc_url=None)
    add_docs_page(app)
    return TestClient(app)


def test_all_that_the_page_loads_is_served_from_here(client: TestClient) -> None:
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "A title" in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for address in loaded:
        assert not urlsplit(address).netloc, address
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.content, address


def test_the_page_reads_this_applications_description(client: TestClient) -> None:
    assert "'/openapi.json'" in client.get(PAGE).text
    assert PAGE not in client.get("/openapi.json").json()["paths"]
