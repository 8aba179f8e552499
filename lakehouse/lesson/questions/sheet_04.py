"""Sheet 04, inside an Iceberg table: who did it, how to undo it, what is read, how to partition, what is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.questions import practice

JUDGE = "judge_04"


class Culprit(Question):
    """A function of a table's name and an order's id that gives the snapshot which changed the order's amount."""

    id = "04.1"
    hints = (
        "Every snapshot can be read. In which is the amount another one than in the snapshot before?",
        "`table.scan(row_filter=…, snapshot_id=…)` reads one order at one snapshot; `table.snapshots()` are in the"
        " order of their commits.",
        "The order may not be there yet in the first snapshots: only a change from one amount to another counts.",
    )
    why = (
        "Right. The summary of that snapshot says which engine and which run committed it: the question *who was it?*"
        " has an answer, as long as the snapshot is kept."
    )

    def judge(self, answer: Any) -> None:
        with practice.place(JUDGE) as namespace:
            past = practice.with_a_past(namespace)
            found = one_number(self.call(answer, past.name, past.order_id))
            if found == past.bad:
                return
            parents = {s.snapshot_id: s.parent_snapshot_id for s in practice.load(past.name).snapshots()}
            if found not in parents:
                raise Wrong(f"the table has no snapshot {found}")
            at, before = self._amount(past, found), self._amount(past, parents[found])
        if before is None:
            raise Wrong(f"snapshot {found} brought the order itself, with the amount that is right")
        if at == before == past.wanted[past.order_id]["total_amount"]:
            raise Wrong(f"at snapshot {found} the order still has its old amount: it was changed later")
        raise Wrong(f"the order had its new amount already before snapshot {found}")

    @staticmethod
    def _amount(past: practice.Past, snapshot_id: int | None) -> Any:
        return (
            practice.rows_of(past.name, snapshot_id).get(past.order_id, {}).get("total_amount") if snapshot_id else None
        )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def nth(place: int) -> Callable[[str, int], int]:
            return lambda name, order_id: practice.load(name).snapshots()[place].snapshot_id

        yield WrongAnswer(lambda: nth(-1), "had its new amount already")
        yield WrongAnswer(lambda: nth(0), "brought the order itself")
        yield WrongAnswer(lambda: nth(1), "still has its old amount")


def _merge_back(columns: str) -> Callable[[str, int], None]:
    """An answer to 04.2 that takes some columns from the snapshot before the bad one."""

    def restore(name: str, bad: int) -> None:
        old = practice.rows_of(name, _parent(name, bad))
        taken = columns.split()

        def row(now: dict[str, Any]) -> dict[str, Any] | None:
            before = old.get(now["order_id"])
            return {**now, **{column: before[column] for column in taken}} if before else None

        practice.change(practice.load(name), row)

    return restore


def _parent(name: str, snapshot_id: int) -> int:
    return practice.load(name).snapshot_by_id(snapshot_id).parent_snapshot_id


class Restore(Question):
    """A function of a table's name and the bad snapshot that repairs the table."""

    id = "04.2"
    hints = (
        "What was committed after the bad write, and would a rollback keep it?",
        "The snapshot's parent has the right amounts: `SELECT parent_id FROM table.snapshots`, then `VERSION AS OF`.",
        "`MERGE INTO table t USING (SELECT * FROM table VERSION AS OF parent) o ON …`, and set one column only.",
    )
    why = (
        "Right. A rollback is for a bad write that is the last one. Later, only what it damaged is taken from the"
        " snapshot before it, as a new commit: the history keeps both, and nobody's later work is lost."
    )

    def judge(self, answer: Any) -> None:
        with practice.place(JUDGE) as namespace:
            past = practice.with_a_past(namespace)
            self.call(answer, past.name, past.bad)
            listed = practice.listed(past.name)
        self._compare({row["order_id"]: row for row in listed}, len(listed), past.wanted)

    @staticmethod
    def _compare(found: dict[int, dict[str, Any]], rows: int, wanted: dict[int, dict[str, Any]]) -> None:
        missing = len(wanted.keys() - found.keys())
        if missing:
            raise Wrong(f"{missing} orders are gone: they were appended after the bad write, and were good")
        if rows != len(wanted):
            raise Wrong(f"the table has {rows} rows for {len(wanted)} orders: some are there twice")
        amounts = [key for key, row in wanted.items() if found[key]["total_amount"] != row["total_amount"]]
        if amounts:
            row = found[amounts[0]]
            raise Wrong(f"{len(amounts)} orders have a wrong amount, such as {row['order_id']}: {row['total_amount']}")
        states = [key for key, row in wanted.items() if found[key]["financial_status"] != row["financial_status"]]
        if states:
            raise Wrong(f"{len(states)} refunds that were made after the bad write are undone as well")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def rollback(name: str, bad: int) -> None:
            parent = _parent(name, bad)
            practice.load(name).manage_snapshots().rollback_to_snapshot(parent).commit()

        def append_old(name: str, bad: int) -> None:
            current = practice.load(name)
            current.append(current.scan(snapshot_id=_parent(name, bad)).to_arrow())

        yield WrongAnswer(lambda: rollback, "are gone")
        yield WrongAnswer(lambda: append_old, "are there twice")
        yield WrongAnswer(lambda: lambda name, bad: None, "have a wrong amount")
        yield WrongAnswer(lambda: _merge_back("total_amount financial_status"), "are undone as well")


class FilesToRead(Question):
    """A function of the files' bounds and a range that gives how many files have to be opened."""

    id = "04.3"
    hints = (
        "A file may be left closed only if it cannot hold a row of the range. When is that certain?",
        "It is certain if all its values are smaller than `low`, or all are larger than `high`.",
        "The others: `upper >= low` and `lower <= high`.",
    )
    why = (
        "Right: two ranges overlap if each begins before the other ends. This comparison, on a few bytes in a manifest,"
        " is what makes a query on a thousand files open three; and it is worth nothing if each file spans everything."
    )

    def judge(self, answer: Any) -> None:
        real = practice.orders()
        ids = real["order_id"].to_pylist()
        quarter = len(ids) // 4
        with practice.place(JUDGE) as namespace:
            current = practice.table(f"{namespace}.orders")
            narrow = [
                practice.part(real, begin / 4, (begin + 1) / 4).take(list(range(0, quarter, 2))) for begin in range(4)
            ]
            practice.append(current, *narrow, real.take(list(range(1, len(ids), quarter // 2))))
            files = self._bounds(current)
            ranges = ((ids[quarter + 2], ids[quarter + 4]), (ids[quarter + 2], ids[2 * quarter + 2]), (ids[0], ids[-1]),
                      (ids[-1] + 1, ids[-1] + 9))  # fmt: skip
            for low, high in ranges:
                planned = list(current.scan(row_filter=f"order_id >= {low} AND order_id <= {high}").plan_files())
                self._compare(answer, files, low, high, len(planned))

    @staticmethod
    def _bounds(current: Any) -> Any:
        import pandas as pd
        from pyiceberg.conversions import from_bytes

        field = current.schema().find_field("order_id")
        rows = [
            (from_bytes(field.field_type, task.file.lower_bounds[field.field_id]),
             from_bytes(field.field_type, task.file.upper_bounds[field.field_id]), task.file.record_count)
            for task in current.scan().plan_files()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["lower", "upper", "rows"])

    def _compare(self, answer: Any, files: Any, low: int, high: int, right: int) -> None:
        found = one_number(self.call(answer, files.copy(), low, high))
        if found > right:
            raise Wrong(
                f"you open {found} of {len(files)} files for {low} to {high}; the bounds rule out all but {right}"
            )
        if found < right:
            raise Wrong(
                f"you open {found} files for {low} to {high} and {right} may hold such rows: you would lose some"
            )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda files, low, high: len(files), "the bounds rule out")
        yield WrongAnswer(
            lambda: lambda files, low, high: ((files["lower"] >= low) & (files["upper"] <= high)).sum(),
            "would lose some",
        )
        yield WrongAnswer(
            lambda: lambda files, low, high: ((files["lower"] >= low) & (files["lower"] <= high)).sum(),
            "would lose some",
        )
        yield WrongAnswer(lambda: lambda files, low, high: (files["upper"] >= low).sum(), "the bounds rule out")


class Partitioning(Question):
    """A list of Iceberg's transforms as text."""

    id = "04.4"
    hints = (
        "By which column do those who read and write the table divide it among themselves?",
        "Each step owns the events of one raw table. With that column each finds its own files; `measure` shows it.",
        "One partition field is enough: a second one only cuts the files smaller.",
    )
    why = (
        "Right: a step opens its own files and no other, so two steps that write at the same time touch no common file"
        " and neither has to wait or repeat. Days would be right for readers who ask for days."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, list | tuple, "a list of texts")  # type: ignore[arg-type]
        try:
            measured = practice.measure([str(one) for one in answer])
        except ValueError as error:
            raise Wrong(f"this is no partitioning of the table: {error}") from error
        worst = measured.sort_values("rows of others").iloc[-1]
        if worst["rows of others"]:
            step, opened, rows, others = worst
            raise Wrong(
                f"the step of {step} has to open {opened} files, and {others} of the {rows} rows in them are others'"
            )
        files, rows = measured.attrs["files"], int(measured["rows in them"].sum())
        if files > 2 * len(measured):
            raise Wrong(f"each step finds its own, but in {files} files of {rows / files:.0f} rows on average: each is"
                        " opened, and named in a manifest, on its own")  # fmt: skip

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: ["day(event_time)"], "rows in them are others'")
        yield WrongAnswer(lambda: ["raw_table", "day(event_time)"], "rows on average")
        yield WrongAnswer(lambda: ["by raw table"], "no partitioning")


class Publish(Question):
    """A function of a table, a table with the batch, and an audit: it publishes the batch if nothing is wrong."""

    id = "04.5"
    hints = (
        "At which moment can a reader of the table see the batch for the first time? What must have happened before?",
        "Write to the branch, not to the table; give the branch's name to `audit`; look at what it says.",
        "Create, insert, audit, then fast-forward only if there are no complaints, and drop the branch in both cases.",
    )
    why = (
        "Right. Readers saw the old rows until the audit was over, and then all of the new ones at once. A check that"
        " runs after publication finds the same mistake, together with everybody else."
    )

    def judge(self, answer: Any) -> None:
        real = practice.orders()
        with practice.place(JUDGE) as namespace:
            name = f"{namespace}.orders"
            current = practice.table(name)
            current.append(practice.part(real, 0, 0.5))
            # the bad one holds new orders and some that are there already
            for batch, begin in (("bad_batch", 0.4), ("good_batch", 0.5)):
                practice.table(f"{namespace}.{batch}").append(practice.part(real, begin, 0.75))
                self._publish(answer, name, f"{namespace}.{batch}", good=batch == "good_batch")

    def _publish(self, answer: Any, name: str, batch: str, good: bool) -> None:
        before = practice.newest(practice.load(name))
        new = {row["order_id"] for row in practice.listed(batch)} - practice.rows_of(name).keys()
        audits: list[tuple[bool, bool]] = []

        def audit(branch: str) -> list[str]:
            now = practice.load(name)
            pointed = now.refs().get(str(branch))
            ids = [row["order_id"] for row in practice.listed(name, pointed.snapshot_id)] if pointed else []
            audits.append((practice.newest(now) != before, new <= set(ids)))
            twice = len(ids) - len(set(ids))
            return [f"{twice} orders are there twice"] if twice else []

        self.call(answer, name, batch, audit)
        if not audits:
            raise Wrong("the batch was not audited: `audit` was never called")
        early, there = audits[0]
        if early:
            raise Wrong("while the audit ran, readers of the table saw the batch already")
        if not there:
            raise Wrong("what was audited does not hold the batch: it was written to no branch, or written later")
        after = practice.load(name)
        if not good and practice.newest(after) != before:
            raise Wrong("the audit complained, and the batch was published all the same")
        if good and not new <= practice.rows_of(name).keys():
            raise Wrong("the audit had no complaint, and the batch is not in the table")
        if set(after.refs()) != {"main"}:
            raise Wrong(f"the branch {(set(after.refs()) - {'main'}).pop()} is still there: the next batch meets it")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: self._by("insert main, audit main"), "saw the batch already")
        yield WrongAnswer(lambda: self._by("create, audit, insert, forward, drop"), "does not hold the batch")
        yield WrongAnswer(lambda: self._by("create, insert, audit, forward, drop"), "published all the same")
        yield WrongAnswer(lambda: self._by("create, insert, audit"), "is still there")
        yield WrongAnswer(lambda: self._by("create, insert, audit, drop"), "is not in the table")

    @staticmethod
    def _by(steps: str) -> Callable[[str, str, Callable[[str], list[str]]], None]:
        """An answer that does these steps whatever the audit says."""

        def publish(name: str, batch: str, audit: Callable[[str], list[str]]) -> None:
            rows = practice.load(batch).scan().to_arrow()
            for step in steps.split(", "):
                current = practice.load(name)
                if step == "create":
                    current.manage_snapshots().create_branch(practice.newest(current), "audit").commit()
                elif step.startswith("insert"):
                    current.append(rows, branch="main" if step.endswith("main") else "audit")
                elif step.startswith("audit"):
                    audit("main" if step.endswith("main") else "audit")
                elif step == "forward":
                    current.manage_snapshots().set_current_snapshot(ref_name="audit").commit()
                else:
                    current.manage_snapshots().remove_branch("audit").commit()

        return publish


QUESTIONS: tuple[Question, ...] = (Culprit(), Restore(), FilesToRead(), Partitioning(), Publish())
