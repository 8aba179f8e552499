"""Sheet 17, maintenance: what may go, what is new, what frees storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from lakehouse import maintenance, metadata
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import spark_session

MonthOld = list[tuple[int, int]]
LINE: MonthOld = [(1, 30), (2, 20), (3, 10), (4, 0)]
QUIET: MonthOld = [(1, 30), (2, 20)]
SMALL_FILES = 5


class MayGo(Question):
    """A function of snapshots, the ids that readers need, and days; gives ids."""

    id = "17.1"
    hints = (
        "Three things keep a snapshot: it is young, it is the newest, or somebody goes on from it.",
        "A reader that stands at 2 walks from the newest along the parents: 4, 3, 2. Which of these may be missing?",
        "Cut the list off at the oldest snapshot that is needed (or at the newest, where none is); of what is before it"
        " the old ones may go.",
    )
    why = (
        "Right. A watermark is a promise that the rows after it can still be told from those before it; one missing"
        " link, and the reader has to read the whole table."
    )

    def judge(self, answer: Any) -> None:
        for snapshots, needed, days, right in self._cases():
            found = self.call(answer, list(snapshots), set(needed), days)
            require_type(found, (list, set, tuple), "a list of ids")
            gone = set(found)
            asked = f"may_go({snapshots}, {needed or '{}'}, {days})"
            if snapshots[-1][0] in gone:
                raise Wrong(f"{asked} lets the newest snapshot go, and with it the table's rows")
            if gone & needed:
                raise Wrong(f"{asked} lets {min(gone & needed)} go, where a reader goes on from")
            if any(snapshot > min(needed, default=snapshot) for snapshot in gone):
                raise Wrong(f"{asked} lets a snapshot after {min(needed)} go: the reader's way to the newest is cut")
            if gone != right:
                raise Wrong(f"{asked} gives {sorted(gone)}: {'too few' if gone < right else 'one is too young'}")

    @staticmethod
    def _cases() -> Iterator[tuple[MonthOld, set[int], int, set[int]]]:
        yield LINE, set(), 7, {1, 2, 3}
        yield LINE, set(), 15, {1, 2}
        yield QUIET, set(), 7, {1}
        yield LINE, {2}, 7, {1}
        yield LINE, {2, 3}, 7, {1}
        yield LINE, {4}, 7, {1, 2, 3}

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: lambda snapshots, needed, days: [i for i, age in snapshots if age > days], "newest")
        yield WrongAnswer(
            lambda: lambda snapshots, needed, days: [i for i, age in snapshots[:-1] if age > days],
            "where a reader goes on from",
        )
        yield WrongAnswer(
            lambda: lambda snapshots, needed, days: [i for i, age in snapshots[:-1] if age > days and i not in needed],
            "way to the newest is cut",
        )
        yield WrongAnswer(lambda: lambda snapshots, needed, days: [], "too few")


def _made(files: int) -> str:
    """A table of one row a file, in a namespace of its own."""
    import pyarrow as pa

    table = f"{scratch('sheet_17')}.events"
    rows = [pa.table({"id": pa.array([number], pa.int64())}) for number in range(files)]
    loaded = metadata.catalog().create_table(table, rows[0].schema)
    for row in rows:
        loaded.append(row)
    return table


@cache
def _commits() -> tuple[dict[str, Any], ...]:
    """What was committed to a table after a reader's watermark: two rows, a compaction, one more row."""
    table = _made(SMALL_FILES)
    try:
        maintenance.compact(spark_session(), table)
        maintenance.load(table).append(maintenance.load(table).scan(limit=1).to_arrow())
        snapshots = maintenance.load(table).snapshots()[SMALL_FILES - 2 :]
        said = [(s.summary.operation.value, s.summary.additional_properties) for s in snapshots if s.summary]
        return tuple({"operation": what, "added_rows": int(p.get("added-records", 0))} for what, p in said)
    finally:
        drop_scratch(table.split(".")[0])


class NewRows(Question):
    """A function of commits; gives how many rows are new, or None."""

    id = "17.2"
    hints = (
        "A compaction adds files, and its summary counts their rows as added. Has anything happened to the rows?",
        "`append` brings rows; `replace` brings none. After `overwrite` or `delete` what was read before is not all"
        " there any more: nobody can go on from a watermark.",
    )
    why = (
        "Right. What is new follows from what a commit did to the rows, not from which files are new; and where rows"
        " were rewritten, the honest answer is to read everything."
    )

    def judge(self, answer: Any) -> None:
        commits = [dict(commit) for commit in _commits()]
        right = sum(commit["added_rows"] for commit in commits if commit["operation"] == "append")
        found = self.call(answer, commits)
        if found != right:
            of_all = sum(commit["added_rows"] for commit in commits)
            if found == of_all:
                raise Wrong(f"you read {found} rows: those which the compaction moved are read a second time")
            raise Wrong(f"after the watermark {right} rows came, and you read {found}")
        for operation in ("overwrite", "delete"):
            rewritten = [*commits, {"operation": operation, "added_rows": 1}]
            if (found := self.call(answer, rewritten)) is not None:
                raise Wrong(f"you read {found} rows after a commit that rewrote others ({operation}): these are missed")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def rows(commits: Sequence[Mapping[str, Any]], *without: str) -> int:
            return sum(commit["added_rows"] for commit in commits if commit["operation"] not in without)

        yield WrongAnswer(lambda: lambda commits: rows(commits), "read a second time")
        yield WrongAnswer(lambda: lambda commits: rows(commits, "replace"), "these are missed")
        yield WrongAnswer(lambda: lambda commits: None, "and you read None")


class FreesStorage(Question):
    """A list of names of steps. They are done, in that order, to a table of small files."""

    id = "17.3"
    hints = (
        "After a compaction the small files are still stored. Who names them?",
        "Expiry deletes files that only old snapshots name; so at that moment they must be old already.",
        "Two steps are enough: the one that makes snapshots old, then the one that lets old snapshots go.",
    )
    why = (
        "Right. Compaction alone costs storage: it adds a copy. What frees it is the expiry of the snapshots that name"
        " the old copy. Files that are named are no orphans, however useless."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (list, tuple), "a list of steps")
        steps: dict[str, Callable[[str], Any]] = {
            "compact": lambda table: maintenance.compact(spark_session(), table),
            "expire": lambda table: maintenance.expire(
                spark_session(), maintenance.plan_expiry(table, timedelta(0), keep_last=1)
            ),
            "orphans": lambda table: maintenance.remove(table, maintenance.orphans(table)),
        }
        unknown = [name for name in answer if name not in steps]
        if unknown or not answer:
            raise Wrong(f"{unknown or 'nothing'}: the steps are {', '.join(steps)}")
        table = _made(SMALL_FILES)
        try:
            for name in answer:
                steps[name](table)
            self._look(list(answer), table)
        finally:
            drop_scratch(table.split(".")[0])

    @staticmethod
    def _look(answer: list[str], table: str) -> None:
        loaded = maintenance.load(table)
        data = [file for file in maintenance.stored_files(loaded) if "/data/" in file.path]
        named = len(list(loaded.scan().plan_files()))
        if named > 1:
            raise Wrong(f"the newest snapshot still has {named} files")
        if len(data) > named:
            raise Wrong(f"{len(data)} data files are stored, and the newest snapshot has {named}: older ones name them")
        if len(answer) > 2:
            raise Wrong(f"only {named} file is left, but one of the {len(answer)} steps had nothing to do")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: ["expire", "compact"], "older ones name them")
        yield WrongAnswer(lambda: ["compact", "orphans"], "older ones name them")
        yield WrongAnswer(lambda: ["expire"], "still has")
        yield WrongAnswer(lambda: ["compact", "expire", "orphans"], "had nothing to do")
        yield WrongAnswer(lambda: ["vacuum"], "the steps are")


class OrphanAge(Question):
    """One letter."""

    id = "17.4"
    hints = (
        "Between the first file of a commit and the commit itself, what does the metadata say of that file?",
        "The limit must be longer than the longest commit takes, retries and a restart of the job included.",
    )
    why = (
        "Right. A file that nobody names yet looks like one that nobody names any more. Only time tells them apart, and"
        " a day of useless storage is cheaper than a table whose newest snapshot names a file that was deleted."
    )

    def judge(self, answer: Any) -> None:
        said = str(answer).strip().upper()
        if said == "C":
            return
        reasons = {
            "A": "a commit takes forty minutes: its first files would be deleted before it, and then the table breaks",
            "B": "the listing was made before the commit, the metadata too: the files of a running job are in neither",
        }
        raise Wrong(reasons.get(said, "one of the letters A, B and C is asked for"))

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "A", "the table breaks")
        yield WrongAnswer(lambda: "b", "in neither")
        yield WrongAnswer(lambda: 24, "one of the letters")


QUESTIONS: tuple[Question, ...] = (MayGo(), NewRows(), FreesStorage(), OrphanAge())
