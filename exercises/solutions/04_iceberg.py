# %% [markdown]
# # 04 · Inside an Iceberg table: who did it, and how to undo it
#
# Five questions on small tables of real orders, made for you. Fill in each `____`, run the cell, and read what `check` says. `hint("04.1")` helps, and helps more the second time; `solution("04.1")` shows one answer.

# %%
from lakehouse import lesson
from lakehouse.lesson import ____, check, hint, progress, query, solution, spark_session
from lakehouse.lesson.questions import practice
from lakehouse.metadata import catalog

spark = spark_session()
mine = practice.with_a_past(lesson.scratch("sheet_04"))
query(f"SELECT committed_at, snapshot_id, parent_id, operation FROM {mine.name}.snapshots ORDER BY committed_at")

# %% [markdown]
# ## 04.1 Which snapshot was it?
#
# In the table `mine.name` the amount of the order `mine.order_id` is a hundred times too large, and nobody knows since when. Write `culprit(table, order_id)`: the id of the snapshot that changed the amount of that order. Try it on `mine`; `check` tries it on a table of its own.


# %%
# BEGIN SOLUTION
# | def culprit(table, order_id):
# |     return ____
def culprit(table, order_id):
    loaded, before = catalog().load_table(table), None
    for snapshot in loaded.snapshots():
        one = loaded.scan(row_filter=f"order_id = {order_id}", snapshot_id=snapshot.snapshot_id).to_arrow()
        amount = one["total_amount"][0].as_py() if one.num_rows else None
        if before is not None and amount != before:
            return snapshot.snapshot_id
        before = amount
    return None


# END SOLUTION
check("04.1", culprit)

# %% [markdown]
# ## 04.2 Undo it
#
# Write `restore(table, bad)`: the amounts are as they were before the snapshot `bad`, and everything that was committed after it stays: orders were appended, and some were refunded. Look at what you do on `mine.name` (`mine.bad` is the snapshot) before you check.


# %%
# BEGIN SOLUTION
# | def restore(table, bad):
# |     return ____
def restore(table, bad):
    parent = query(f"SELECT parent_id FROM {table}.snapshots WHERE snapshot_id = {bad}")["parent_id"].iloc[0]
    spark.sql(
        f"""MERGE INTO {table} t USING (SELECT * FROM {table} VERSION AS OF {parent}) old ON t.order_id = old.order_id
            WHEN MATCHED AND t.total_amount <> old.total_amount THEN UPDATE SET t.total_amount = old.total_amount"""
    )


# END SOLUTION
check("04.2", restore)

# %% [markdown]
# ## 04.3 How many files must be opened?
#
# `files` has a row for each data file, with the smallest (`lower`) and largest (`upper`) id of an order in it. A query asks for `order_id BETWEEN low AND high`. Write `files_to_read(files, low, high)`: how many files must be opened. `check` compares with what Iceberg plans.


# %%
# BEGIN SOLUTION
# | def files_to_read(files, low, high):
# |     return ____
def files_to_read(files, low, high):
    return ((files["upper"] >= low) & (files["lower"] <= high)).sum()


# END SOLUTION
check("04.3", files_to_read)

# %% [markdown]
# ## 04.4 A partitioning, measured
#
# `staging.webhook_events` is one table for the events of all raw tables. The step of each raw table reads the events of its own (`WHERE raw_table = '…'`) and merges into them, and several steps run at once. `measure` writes some events into a table that is partitioned as you say, and shows what each step has to open. Choose a partitioning with which no step opens rows of another, in few files.

# %%
practice.measure(["day(event_time)"])

# %%
# BEGIN SOLUTION
# | partitioning = ["____"]
partitioning = ["raw_table"]
# END SOLUTION
check("04.4", partitioning)

# %% [markdown]
# ## 04.5 Publish only what was audited
#
# Write `publish(table, batch, audit)`. `batch` is the name of a table with the new rows; `audit(branch)` gives a list of complaints about a branch of `table`. No reader of the table may see rows that were not audited, or that were complained about; a good batch must be there in the end, and no branch left over. These statements are all you need, not in this order and not all at any rate:
#
# - `CALL lakehouse.system.fast_forward('…', 'main', 'audit')`
# - `ALTER TABLE … DROP BRANCH audit`
# - `INSERT INTO ….branch_audit SELECT * FROM …`
# - `ALTER TABLE … CREATE BRANCH audit`


# %%
# BEGIN SOLUTION
# | def publish(table, batch, audit):
# |     return ____
def publish(table, batch, audit):
    spark.sql(f"ALTER TABLE {table} CREATE BRANCH audit")
    spark.sql(f"INSERT INTO {table}.branch_audit SELECT * FROM {batch}")
    complaints = audit("audit")
    if not complaints:
        spark.sql(f"CALL lakehouse.system.fast_forward('{table}', 'main', 'audit')")
    spark.sql(f"ALTER TABLE {table} DROP BRANCH audit")
    return complaints


# END SOLUTION
check("04.5", publish)

# %% [markdown]
# Your table is dropped at the end.

# %%
lesson.drop_scratch(mine.name.split(".")[0])
progress()
