"""Entity resolution on many records: seconds of each part, memory, one percent changed, plain Splink beside it.

    python -m bench.entity_resolution --people 450000

Real Iceberg tables, in a stack of its own of which only the catalog, its database and the object store are started.
Each measured part is a process, so that its peak memory is its own. All figures are of this run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCH_DIR = ROOT / ".lakehouse" / "bench"
PORT_OFFSET = "700"
SEED = 2026
CHANGED = 100
"""One record in so many is changed for the second run."""
PLAIN_SECONDS = 900
GOALS = {"seconds": 60.0, "memory_gb": 6.0, "delta_share": 0.20}


def _point_at_own_stack() -> None:
    os.environ["LAKEHOUSE_DATA_DIR"] = str(BENCH_DIR)
    os.environ["LAKEHOUSE_PORT_OFFSET"] = PORT_OFFSET
    os.environ["LAKEHOUSE_STACK_NAME"] = "bench"


class Clock:
    """Seconds by part."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.parts[name] = round(time.perf_counter() - began, 2)


def people_table() -> Any:
    """Contract of the table that the bench reads: records as sent."""
    from lakehouse.semantic.records import SENT
    from lakehouse.semantic.tables import NORMALIZED_RECORDS
    from lakehouse.tables import Table

    columns = tuple(column for column in NORMALIZED_RECORDS.columns if column.name in SENT.names)
    return Table("staging.bench_people", "one row per record of a sender", ("source", "source_id"), columns)


def make_people(people: int) -> Path:
    """The records of a world, once made kept as a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lakehouse.semantic.generated import sent_of_world
    from lakehouse.semantic.records import keys_of

    file = BENCH_DIR / f"people-{SEED}-{people}.parquet"
    if not file.exists():
        print(f"making {people:,} people (once) …", flush=True)
        sent, truth = sent_of_world(SEED, people)
        sent = sent.append_column("person_id", pa.array([truth[key] for key in keys_of(sent)]))
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(sent, file)
    return file


def load_people(file: Path, changed: bool) -> int:
    """Put the records into the Iceberg table; `changed`: one in `CHANGED` has moved and has a new mailbox."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from lakehouse import metadata
    from lakehouse.arrow_merge import fit
    from lakehouse.semantic.records import SENT

    sent = pq.read_table(file).select(SENT.names)
    if changed:
        chosen = pa.array(np.arange(sent.num_rows) % CHANGED == 0)
        for name, value in (("street", "1 New Street"), ("zip", "99999"), ("email", None)):
            new = pa.scalar(value, pa.string()) if value else pc.binary_join_element_wise("moved.", sent["email"], "")
            sent = sent.set_column(SENT.names.index(name), SENT.field(name), pc.if_else(chosen, new, sent[name]))
    table = people_table()
    metadata.load(table).overwrite(fit(table, sent))
    return int(sent.num_rows)


def run() -> dict[str, Any]:
    """Read, normalise, block, score, cluster, write: the steps' own functions, without Spark's session beside them."""
    import pyarrow.compute as pc

    from lakehouse import metadata
    from lakehouse.arrow_merge import merge_arrow
    from lakehouse.semantic import entity_index, matching, model, normalized_records, state
    from lakehouse.semantic.records import SENT
    from lakehouse.semantic.resolution import Options, resolve
    from lakehouse.semantic.tables import ENTITY_INDEX, NORMALIZED_RECORDS

    clock, began = Clock(), time.perf_counter()
    parameters, options = model.load(), Options()
    with ThreadPoolExecutor() as pool:
        with clock.part("read"):
            reading = pool.submit(lambda: metadata.load(people_table()).scan().to_arrow().cast(SENT))
            newest = pool.submit(normalized_records.stored)
            linking = pool.submit(state.links)
            # the libraries that score are loaded while the object store is waited for
            warming = pool.submit(matching.warm_up)
            known = metadata.watermarks(ENTITY_INDEX.name)
            sources: dict[str, int | None] = {state.MODEL: state.fingerprint(parameters, options)}
            records = newest.result()
            read = state.records(known, records)
            # what is compared next are records; who they were is read meanwhile
            loading = pool.submit(
                lambda: state.load(known, {**sources, NORMALIZED_RECORDS.name: None}, read, linking.result())
            )
            known_now = records is read.stored
            sent, _ = reading.result(), warming.result()
        with clock.part("normalise"):
            before = read.people if known_now else normalized_records.of_rows(records.rows)
            people, origin = normalized_records.bring_up(sent, before)
            changed = normalized_records.changed_ids(people, before, origin)
            previous, rescore = loading.result()
    first = previous is None or rescore
    rows = people if first else people.filter(pc.is_in(people.column("source_id"), value_set=changed))
    batch = f"bench-{time.time_ns()}"
    # where the records of the last resolution are those that were just compared, who is who is known
    whole = previous is not None and known_now and previous.people.num_rows == before.num_rows
    with ThreadPoolExecutor(1) as pool:
        # what the records are does not depend on who they are: they are written meanwhile
        writing = pool.submit(merge_arrow, NORMALIZED_RECORDS, rows, by="source_id", only=None if first else changed,
                              sources={}, run_id="bench", watermark=False, batch=batch, stored=records)  # fmt: skip
        resolution = resolve(people, previous, parameters, options, rescore=rescore,
                             origin=origin if whole else None)  # fmt: skip
        clock.parts |= {name: round(seconds, 2) for name, seconds in resolution.seconds.items()}
        with clock.part("write"):
            writing.result()
            sources[NORMALIZED_RECORDS.name] = metadata.load(NORMALIZED_RECORDS).current_snapshot().snapshot_id
            entity_index.write(resolution, previous, rescore, parameters, sources, batch, "bench")
    wanted = ("records", "candidate_pairs", "edges", "entities", "largest_entity", "records_touched")
    counts = {name: int(resolution.stats[name, ""]) for name in wanted}
    return {"seconds": round(time.perf_counter() - began, 2), "parts": clock.parts, **counts}


def score(file: Path) -> dict[str, float]:
    """How good the stored entities are."""
    import pyarrow.parquet as pq

    from lakehouse.semantic.evaluation import evaluate, read_prediction
    from lakehouse.semantic.records import keys_of

    table = pq.read_table(file, columns=["source", "source_id", "person_id"])
    truth = dict(zip(keys_of(table), table.column("person_id").to_pylist(), strict=True))
    found = evaluate(read_prediction(), truth)
    return {"precision": found.pairwise.precision, "recall": found.pairwise.recall, "f1": found.pairwise.f1}


def run_plain(file: Path, one_in: int = 1) -> dict[str, Any]:
    """The same records through Splink's plain configuration, from the file; nothing is written.

    `one_in`: only the first half, quarter, … of them; the file holds all records of a person together.
    """
    import pyarrow.parquet as pq

    from lakehouse.semantic.evaluation import evaluate
    from lakehouse.semantic.plain import pairs_of_rules, resolve_plain
    from lakehouse.semantic.records import SENT, keys_of

    table = pq.read_table(file)
    table = table.slice(0, table.num_rows // one_in)
    sent = table.select(SENT.names)
    pairs = sum(pairs_of_rules(sent).values())
    # to be known also where the rest is stopped
    print(json.dumps({"records": sent.num_rows, "pairs": pairs}), flush=True)
    began = time.perf_counter()
    found = resolve_plain(sent, spill=BENCH_DIR / "spill")
    seconds = time.perf_counter() - began
    truth = dict(zip(keys_of(table), table.column("person_id").to_pylist(), strict=True))
    scored = evaluate(found, truth).pairwise
    return {
        "seconds": round(seconds, 2), "records": sent.num_rows, "pairs": pairs,
        "precision": scored.precision, "recall": scored.recall, "f1": scored.f1,
    }  # fmt: skip


SHARES = {f"plain-{one_in}": one_in for one_in in (16, 8, 4, 2)}
"""Where plain Splink does not do with all records: parts of the run → one record in so many, the smallest first."""


PARTS: dict[str, Callable[[Path], Any]] = {
    "load": lambda file: load_people(file, changed=False),
    "change": lambda file: load_people(file, changed=True),
    "run": lambda file: run(),
    "score": score,
    "plain": run_plain,
    **{name: partial(run_plain, one_in=one_in) for name, one_in in SHARES.items()},
}


def measured(part: str, file: Path, seconds: float | None = None) -> dict[str, Any]:
    """One part in a process of its own: what it says, its peak memory in GB and the seconds of its processors.

    `error` where it did not end well, with what it had said until then.
    """
    command = [sys.executable, "-m", "bench.entity_resolution", "--part", part, "--file", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT)
    except subprocess.TimeoutExpired as stopped:
        return {**_said(stopped.stdout), "error": f"stopped after {seconds:.0f} s"}
    if done.returncode:
        return {**_said(done.stdout), "error": (done.stderr.strip().splitlines() or ["no word"])[-1]}
    return _said(done.stdout)


def _said(output: str | bytes | None) -> dict[str, Any]:
    """The last line of a part's output; empty where there is none."""
    text = output.decode() if isinstance(output, bytes) else output or ""
    lines = text.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return answer


def main() -> int:
    """Measure all parts and print them; 1 if one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--people", type=int, default=450_000, help="of the world; each is some 2.2 records")
    parser.add_argument("--no-plain", action="store_true", help="leave plain Splink out")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    _point_at_own_stack()
    if chosen.part:
        said = PARTS[chosen.part](chosen.file)
        used = resource.getrusage(resource.RUSAGE_SELF)
        measures = {"memory_gb": round(used.ru_maxrss / 1e6, 2), "cpu": round(used.ru_utime + used.ru_stime, 1)}
        print(json.dumps({**(said if isinstance(said, dict) else {"said": said}), **measures}))
        return 0
    with own_stack():
        results = measure(make_people(chosen.people), not chosen.no_plain)
    out = ROOT / ".lakehouse" / "bench" / "entity_resolution.json"
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report(results)
    print(f"\nwritten to {out.relative_to(ROOT)}")
    return 1 if any("error" in part for name, part in results.items() if not name.startswith("plain")) else 0


@contextmanager
def own_stack() -> Iterator[None]:
    """Catalog and object store, made anew; ended and deleted afterwards but for the file of people."""
    import shutil

    from lakehouse.settings import load_settings
    from stack.native import lifecycle, supervisor
    from stack.native.secrets import ensure_secrets

    kept = list(BENCH_DIR.glob("people-*.parquet"))
    for entry in BENCH_DIR.glob("*") if BENCH_DIR.exists() else ():
        if entry not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    ensure_secrets(BENCH_DIR)
    settings = load_settings()
    if supervisor.is_running(settings):
        supervisor.shutdown(settings)
    quiet = threading.Lock()

    def say(name: str, what: str, seconds: float) -> None:
        with quiet:
            print(f"  {name:<14} {what:<10} {seconds:5.1f} s", flush=True)

    services = lifecycle.select(["catalog"])
    lifecycle.up(settings, services, say)
    try:
        yield
    finally:
        lifecycle.down(settings, services, lambda *_: None, everything=True)


def measure(file: Path, plain: bool) -> dict[str, dict[str, Any]]:
    """All parts, one after another."""
    results: dict[str, dict[str, Any]] = {}
    for name, part in (("load", "load"), ("full", "run"), ("quality", "score"), ("change", "change"), ("delta", "run")):
        print(f"{name} …", flush=True)
        results[name] = measured(part, file)
        if "error" in results[name]:
            # what comes after would measure something else: without a full run before it, the delta is one
            return {**{later: {"error": f"{name} failed"} for later in ("full", "delta")}, **results}
    if plain:
        results |= measure_plain(file)
    return results


def measure_plain(file: Path) -> dict[str, dict[str, Any]]:
    """Plain Splink on all records; where it fails or takes too long, also the largest share that it ends in time."""
    print("plain Splink …", flush=True)
    results = {"plain": measured("plain", file, PLAIN_SECONDS)}
    for name, one_in in SHARES.items() if "error" in results["plain"] else ():
        print(f"plain Splink, one record in {one_in} …", flush=True)
        part = measured(name, file, PLAIN_SECONDS)
        if "error" in part:
            break
        results["plain_share"] = part
    return results


def report(results: dict[str, dict[str, Any]]) -> None:
    """The figures as text, with the goals beside them."""
    full, delta = results["full"], results["delta"]
    for name, part in (("full", full), ("delta", delta)):
        if "error" in part:
            print(f"\n{name}: {part['error']}")
            continue
        print(f"\n{name}: {part['records']:,} records in {_took(part)}")
        print("  " + ", ".join(f"{key} {value:.1f}" for key, value in part["parts"].items()))
        print(f"  {part['records_touched']:,} touched, {part['candidate_pairs']:,} pairs, {part['edges']:,} edges,"
              f" {part['entities']:,} entities")  # fmt: skip
    if "error" not in full and "error" not in delta:
        share, cpu = (delta[name] / full[name] for name in ("seconds", "cpu"))
        print(f"\ndelta / full: {share:.0%}, of the processors' seconds {cpu:.0%} (goal {GOALS['delta_share']:.0%});"
              f" full: goal {GOALS['seconds']:.0f} s and {GOALS['memory_gb']:.0f} GB")  # fmt: skip
    for name in ("quality", "plain", "plain_share"):
        if name in results:
            print(f"{name}: {_quality(results[name])}")
    for name in ("plain", "plain_share"):
        part = results.get(name, {"error": "left out"})
        if "error" not in part and "error" not in full:
            ratio = part["seconds"] / part["records"] / (full["seconds"] / full["records"])
            print(f"{name}: {ratio:.1f} times the seconds per record of the full run, which also reads and writes"
                  " tables")  # fmt: skip


def _took(part: dict[str, Any]) -> str:
    return f"{part['seconds']:.1f} s ({part['cpu']:.0f} s of processors), peak memory {part['memory_gb']:.1f} GB"


def _quality(part: dict[str, Any]) -> str:
    work = f"{part['records']:,} records, {part['pairs']:,} pairs of its rules; " if "pairs" in part else ""
    if "error" in part:
        return work + str(part["error"])
    took = f"; {_took(part)}" if "seconds" in part else ""
    return f"{work}precision {part['precision']:.4f}, recall {part['recall']:.4f}, F1 {part['f1']:.4f}{took}"


if __name__ == "__main__":
    raise SystemExit(main())
