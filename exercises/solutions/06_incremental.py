# %% [markdown]
# # 06 · Incremental loading: nothing lost, nothing twice
#
# Five questions; `check` judges each on small tables that it makes. Fill in each `____`, run the cell, and read what `check` says. `hint("06.1")` helps, and helps more the second time; `solution("06.1")` shows one answer.

# %%
from datetime import datetime

from lakehouse import incremental
from lakehouse.lesson import ____, check, hint, progress, solution, spark_session
from lakehouse.lesson.questions.late_commits import race
from lakehouse.metadata import catalog

spark = spark_session()

# %% [markdown]
# ## 06.1 What does the clock lose?
#
# Writers stamp their batches and commit them. A reader comes at **6, 11 and 15 seconds**; each time it reads the rows that it can see with a stamp **later** than the newest stamp it has seen so far. How many rows does it never read? Think first; `check` runs the race.

# %%
race()

# %%
# BEGIN SOLUTION
# | lost = ____
lost = 7 + 2
# END SOLUTION
check("06.1", lost)

# %% [markdown]
# ## 06.2 Repair the reader
#
# `read_new(table, mark)` gives the ids of the rows that came in since `mark`, and the new mark; the first time `mark` is None. The one here is the reader of 06.1. Make one that reads each row exactly once, whatever its stamp.


# %%
# BEGIN SOLUTION
# | def read_new(table, mark):
# |     mark = mark or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
# |     new = catalog().load_table(table).scan(row_filter=f"loaded_at > '{mark.isoformat()}'").to_arrow()
# |     new_mark = ____
# |     return new["order_id"].to_pylist(), new_mark
def read_new(table, mark):
    commits, current = incremental.history(table)
    window = incremental.plan_window(table, commits, current, mark)
    new = incremental.read_window(spark, window).select("order_id").toPandas()
    return new["order_id"].tolist(), window.end


# END SOLUTION
check("06.2", read_new)

# %% [markdown]
# ## 06.3 An append that may be repeated
#
# A task dies, and is run again with the same batch. Write `append_once(table, rows, batch)`: `table` is a table of pyiceberg, `rows` are to be appended, `batch` is a text that is the same for every repeat of a batch and different for every other batch. Two batches may well have equal rows.


# %%
# BEGIN SOLUTION
# | def append_once(table, rows, batch):
# |     table.append(rows, snapshot_properties={"batch-id": batch})
# |     return ____
def append_once(table, rows, batch):
    summaries = [snapshot.summary.additional_properties for snapshot in table.refresh().snapshots()]
    if batch not in [summary.get("batch-id") for summary in summaries]:
        table.append(rows, snapshot_properties={"batch-id": batch})


# END SOLUTION
check("06.3", append_once)

# %% [markdown]
# ## 06.4 What comes first?
#
# A step has four parts: `"pin"` notes the source's current snapshot, `"read"` reads from the watermark on (up to the pinned snapshot, if there is one), `"write"` appends what was read, once per batch, `"mark"` moves the watermark (to the pinned snapshot, else to the current one). Other writers commit all the time, and the process can die after any part. Put them in order.

# %%
# BEGIN SOLUTION
# | order = ["____", "____", "____", "____"]
order = ["pin", "read", "write", "mark"]
# END SOLUTION
check("06.4", order)

# %% [markdown]
# ## 06.5 Where to go on
#
# Write `read_after(commits, current, last)`: the snapshot after which a step has to read on, or None if it has to read all. `commits` are the snapshots that are kept, by id, each with `parent_id` and `operation` (`append`, `overwrite`, `delete`, or `replace`, which moves rows to other files); `current` is the table's snapshot now and `last` the one that the step has read up to, None if there is none. It may have been expired, or rolled back; and an incremental read passes by changes of rows in silence.


# %%
# BEGIN SOLUTION
# | def read_after(commits, current, last):
# |     return ____
def read_after(commits, current, last):
    at = current
    while at != last:
        if at not in commits or commits[at].operation not in ("append", "replace"):
            return None
        at = commits[at].parent_id
    return last


# END SOLUTION
check("06.5", read_after)

# %%
progress()
