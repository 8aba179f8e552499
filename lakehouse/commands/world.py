"""`lakehouse world …`: make a world of people, and send its webhooks to the running API."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from data_generators import ledger
from data_generators.config import WorldConfig
from data_generators.deliveries import WorldError, read_deliveries
from data_generators.generate import read_manifest, write_day
from data_generators.sender import Sender
from data_generators.signing import Signer
from lakehouse.settings import Settings, get_settings

app = typer.Typer(no_args_is_help=True, help="Make a world of people and send its webhooks.")
console = Console()
FIRST = WorldConfig()


def next_day(world_dir: Path) -> int:
    """The first day that was not generated yet."""
    manifest = read_manifest(world_dir)
    return max((int(day) for day in manifest["days"]), default=0) + 1 if manifest else 1


def config_for(settings: Settings, seed: int | None, people: int | None) -> WorldConfig:
    """The world that the folder holds, or a new one; what is given has to fit."""
    manifest = read_manifest(settings.world_dir) or {}
    return WorldConfig(
        seed=seed if seed is not None else manifest.get("seed", FIRST.seed),
        people=people if people is not None else manifest.get("people", FIRST.people),
        shop_domain=settings.shopify_shops[0],
    )


def generate_day(settings: Settings, day: int, seed: int | None = None, people: int | None = None) -> dict[str, Any]:
    """Generate a day into the world's folder; returns its summary. Raises `WorldError` for another world's folder."""
    return write_day(settings.world_dir, config_for(settings, seed, people), day)


def send_day(
    settings: Settings, day: int, *, rate: float = 400, concurrency: int = 32, retry_scale: float = 0.001,
    gave_up: bool = False, show: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Send what is not final in the ledger yet; returns the ledger's summary of the day.

    Raises `WorldError` if the day was not generated or the API is not ready.
    """
    done = ledger.final_outcomes(ledger.read_attempts(settings.world_dir, day), gave_up=not gave_up)
    left = [d for d in read_deliveries(settings.world_dir, day) if d["delivery_id"] not in done]
    if left:
        _require_ready(settings)
        with _progress(show) as bar, ledger.Ledger(settings.world_dir, day) as book:
            task = bar.add_task(f"day {day}", total=len(left), failed=0)
            failed = 0

            def count(outcome: str) -> None:
                nonlocal failed
                failed += outcome == "failed"
                bar.update(task, advance=1, failed=failed)

            sender = Sender(
                settings.ingestion_url, Signer.of(settings), book, rate=rate, concurrency=concurrency,
                retry_scale=retry_scale, done=count,
            )  # fmt: skip
            asyncio.run(sender.run(left))
    return ledger.summary(ledger.read_attempts(settings.world_dir, day)) | {"sent_now": len(left)}


def _require_ready(settings: Settings) -> None:
    try:
        ready = httpx.get(f"{settings.ingestion_url}/ready", timeout=10, trust_env=False).status_code == 200
    except httpx.TransportError:
        ready = False
    if not ready:
        raise WorldError(
            f"the webhook API at {settings.ingestion_url} is not ready", "start it: lakehouse stack up kafka ingestion"
        )


def _progress(show: bool) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("gave up: {task.fields[failed]}"), console=console, disable=not show, transient=True,
    )  # fmt: skip


def show_day(day: int, summary: dict[str, Any]) -> None:
    """A day's counts as a table."""
    table = Table(
        title=f"day {day}: {summary['deliveries']:,} requests, {summary['bytes'] / 1e6:.1f} MB", title_justify="left"
    )
    for name in ("", "what", "requests"):
        table.add_column(name, justify="right" if name == "requests" else "left")
    for group in ("senders", "flaws", "expected"):
        for at, (name, count) in enumerate(summary[group].items()):
            table.add_row(f"[bold]{group}[/]" if at == 0 else "", name, f"{count:,}")
        table.add_section()
    table.add_row("[bold]messages[/]", "to their topics", f"{summary['messages']:,}")
    table.add_row("", "to quarantine", f"{summary['quarantined']:,}")
    console.print(table)


@app.command()
def generate(
    day: int = typer.Option(None, min=1, help="which day; default: the next one"),
    seed: int = typer.Option(None, help=f"default: the folder's, or {FIRST.seed}"),
    people: int = typer.Option(
        None, min=50, help=f"who live at the end of day 1; default: the folder's, or {FIRST.people}"
    ),
) -> None:
    """Generate one day: what is to be sent, and the truth about it. Day 1 brings 30 days of history."""
    settings = get_settings()
    number = day or next_day(settings.world_dir)
    began = time.perf_counter()
    with console.status(f"generating day {number}"):
        summary = generate_day(settings, number, seed, people)
    show_day(number, summary)
    console.print(f"generated in {time.perf_counter() - began:.1f} s into {settings.world_dir}", highlight=False)
    console.print(f"[bold]next:[/]  lakehouse world send --day {number}", highlight=False)


@app.command()
def send(
    day: int = typer.Option(..., min=1, help="which day"),
    rate: float = typer.Option(400.0, min=0.1, help="requests a second, at most"),
    concurrency: int = typer.Option(32, min=1, max=250, help="requests at once"),
    retry_scale: float = typer.Option(0.001, min=0, help="what a second of the real waits between attempts lasts here"),
    gave_up: bool = typer.Option(False, "--gave-up", help="send those again that were given up"),
) -> None:
    """Sign and post a day's deliveries. Run again, it sends only what has no final answer yet."""
    settings = get_settings()
    began = time.perf_counter()
    found = send_day(settings, day, rate=rate, concurrency=concurrency, retry_scale=retry_scale, gave_up=gave_up)
    took = time.perf_counter() - began
    table = Table(title=f"day {day}: the sender's ledger", title_justify="left")
    table.add_column("final outcome")
    table.add_column("requests", justify="right")
    for outcome, count in found["outcomes"].items():
        table.add_row(outcome, f"{count:,}")
    table.add_section()
    table.add_row("messages acknowledged", f"{found['messages']:,}")
    table.add_row("quarantined", f"{found['quarantined']:,}")
    table.add_row("attempts", f"{found['attempts']:,}")
    console.print(table)
    pace = f", {found['sent_now'] / took:,.0f} a second" if found["sent_now"] else ""
    console.print(f"sent {found['sent_now']:,} now in {took:.1f} s{pace}", highlight=False)
    lost = found["outcomes"].keys() & {name for name in found["outcomes"] if name.startswith("failed")}
    if lost:
        raise WorldError(
            "some deliveries were given up; the receiver never acknowledged them",
            f"when it is well again: lakehouse world send --day {day} --gave-up",
        )


@app.command()
def show() -> None:
    """What was generated so far, and what of it was sent."""
    settings = get_settings()
    manifest = read_manifest(settings.world_dir)
    if manifest is None:
        raise WorldError("there is no world yet", "make one: lakehouse world generate")
    table = Table(title=f"world of {manifest['people']:,} people, seed {manifest['seed']}", title_justify="left")
    for name in ("day", "requests", "shopify", "stripe", "hubspot", "with a flaw", "final in the ledger"):
        table.add_column(name, justify="right")
    for day, summary in sorted(manifest["days"].items(), key=lambda item: int(item[0])):
        final = len(ledger.final_outcomes(ledger.read_attempts(settings.world_dir, int(day))))
        senders = [f"{summary['senders'].get(name, 0):,}" for name in ("shopify", "stripe", "hubspot")]
        table.add_row(day, f"{summary['deliveries']:,}", *senders, f"{sum(summary['flaws'].values()):,}", f"{final:,}")
    console.print(table)
