"""The map of the services knows every one of them; starting what is healthy touches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.lesson import services
from stack.native.inspection import Row
from stack.native.registry import core_services


def row(name: str, state: str, url: str = "") -> Row:
    return Row(name, name, state, "", {}, 1, 100.0, None, url)


def test_every_service_has_a_purpose_and_a_place_on_the_map() -> None:
    known = {service.name for service in core_services()}
    drawn = [name for column in services.COLUMNS for name in column]
    assert set(services.PURPOSE) == known
    assert set(drawn) == known | set(services.SENDERS)
    assert len(drawn) == len(set(drawn))


def test_the_picture_shows_health_and_links() -> None:
    rows = [row(service.name, "healthy") for service in core_services() if service.name not in ("kafka", "trino")]
    figure = services.picture([*rows, row("kafka", "failed"), row("trino", "healthy", "http://there/ui")])
    boxes = {shape.fillcolor for shape in figure.layout.shapes}
    assert len(boxes) == 3  # senders, healthy, failed
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert '<a href="http://there/ui">trino</a>' in texts


def test_the_table_links_to_pages_and_adds_up_the_memory() -> None:
    html = services.table([row("kafka", "healthy"), row("trino", "healthy", "http://there/ui")]).to_html()
    assert 'href="http://there/ui"' in html
    assert "2 services, 0.2 GB in all" in html


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1" * 500_000)
    (tmp_path / "y").write_bytes(b"1" * 1_500_000)
    (tmp_path / "link").symlink_to(tmp_path / "y")
    assert services.folder_mb(tmp_path) == pytest.approx(2.0)


@pytest.mark.stack
def test_nothing_is_started_where_all_is_healthy() -> None:
    said: list[str] = []
    before = {one.name: one.pid for one in services.inspect()}
    missing, rows = services.start(said.append)
    assert (missing, said) == ([], [])
    assert {one.name: one.pid for one in rows} == before
