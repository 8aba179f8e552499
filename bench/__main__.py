"""`python -m bench`: measure all parts in one run, beside their goals; results and pictures into `bench/`.

`--only webhooks,landing` measures some, `--list` names them. `--quick` is a look at whether all of it runs: its figures
say little and go to a file of their own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from bench import figures, machine, own_stack, page, pictures
from bench.context import Bench, PartFailed
from bench.figures import Measured, Part
from lakehouse.errors import LakehouseError

FOLDER = Path(__file__).resolve().parent
TITLES = {
    "start": "cold start of the stack, memory of each service",
    "task": "overhead of one notebook task, and its parts",
    "queries": "dashboards' queries in ClickHouse, Trino and Spark",
    "pipeline": "the DAG on everything, and on 1 % new data",
    "freshness": "webhook → visible in raw",
    "webhooks": "webhooks stored a second, and how long a sender waits",
    "landing": "event log → Iceberg: Flink, Python, Kafka Connect",
    "resolution": "entity resolution of a million records",
}
"""In the order in which they run: what needs all services first, what wants the machine for itself last."""


def part(name: str) -> Part:
    """One part by its name."""
    return Part(name, TITLES[name], importlib.import_module(f"bench.parts.{name}").run)


def chosen_names(only: str | None) -> list[str]:
    """The names to run, in the suite's order. Raises `LakehouseError` for one that there is not."""
    if only is None:
        return list(TITLES)
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in TITLES]
    if unknown or not wanted:
        raise LakehouseError(f"the bench has no part {', '.join(unknown) or 'of no name'}",
                             f"use some of: {', '.join(TITLES)}")  # fmt: skip
    return [name for name in TITLES if name in wanted]


def results_file(quick: bool) -> Path:
    """Where results go. A look never overwrites a measurement."""
    from lakehouse.settings import HOME

    return HOME / "bench-quick" / "results.json" if quick else FOLDER / "results.json"


def measure(bench: Bench, names: list[str], out: Path) -> list[tuple[str, Measured | str]]:
    """Each part, and its results written as soon as they are there; a part that failed stops no other."""
    found: list[tuple[str, Measured | str]] = []
    for number, name in enumerate(names, start=1):
        current, facts, began = part(name), machine.facts(), time.perf_counter()
        print(f"{number}/{len(names)}  {current.title}", flush=True)
        try:
            measured = current.run(bench)
        except (LakehouseError, PartFailed) as error:
            found.append((name, str(error)))
            print(f"    failed: {error}", flush=True)
            continue
        seconds = round(time.perf_counter() - began, 1)
        found.append((name, measured))
        figures.merge(out, facts, {name: figures.as_json(measured, title=current.title, seconds=seconds)})
        print(f"    {seconds:.0f} s", flush=True)
    return found


def main() -> int:
    """Run what was asked for; 1 if a part failed. A goal that was missed is no failure: the table says so."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="PARTS", help="names, with commas between them; default: all")
    parser.add_argument("--list", action="store_true", help="name the parts, and measure nothing")
    parser.add_argument("--page", action="store_true", help="draw and write docs/bench.md from the results there are")
    parser.add_argument("--quick", action="store_true", help="little of everything: whether it runs, not how fast")
    parser.add_argument("--orders", type=int, default=Bench.orders, help="of the pipeline's part (default %(default)s)")
    parser.add_argument("--people", type=int, default=Bench.people, help="of entity resolution's (default %(default)s)")
    parser.add_argument("--port-offset", type=int, default=own_stack.PORT_OFFSET, help="default %(default)s")
    chosen = parser.parse_args()
    if chosen.list:
        for name, title in TITLES.items():
            print(f"{name:<12}{title}")
        return 0
    if chosen.page:
        written(results_file(quick=False))
        return 0
    try:
        names = chosen_names(chosen.only)
        own_stack.point_at_it(chosen.port_offset)
        out = results_file(chosen.quick)
        with own_stack.OwnStack() as stack:
            found = measure(Bench(stack, chosen.quick, chosen.orders, chosen.people), names, out)
    except LakehouseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return show(found, out)


def show(found: list[tuple[str, Measured | str]], out: Path) -> int:
    """The table, the pictures, the page."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(figures.table(found))
    if out.exists():
        drawn = written(out)
        console.print(f"written: {out.name}, {len(drawn)} pictures in {out.parent.name}/pictures", highlight=False)
    return 1 if any(isinstance(measured, str) for _, measured in found) else 0


def written(out: Path) -> list[Path]:
    """Draw the pictures of a results' file; the page of the documentation has those of measurements alone."""
    results = json.loads(out.read_text(encoding="utf-8"))
    drawn = pictures.draw(results["parts"], out.parent / "pictures")
    if out == results_file(quick=False):
        page.write(results, list(TITLES), out.parent / "pictures")
    return drawn


if __name__ == "__main__":
    raise SystemExit(main())
