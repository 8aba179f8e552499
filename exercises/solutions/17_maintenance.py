# %% [markdown]
# # 17 · Maintenance: what may go, what is new, what frees storage
#
# Four questions. Fill in each `____`, run the cell, and read what `check` says. `hint("17.1")` helps, and helps more the second time; `solution("17.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution

# %% [markdown]
# ## 17.1 Which snapshots may go
#
# Write `may_go(snapshots, needed, days)`. `snapshots` is a list of `(id, age in days)`, the oldest first, each the parent of the next; `needed` is the set of ids at which readers stand. Give the ids that may go: those older than `days`, as long as every reader can go on.


# %%
# BEGIN SOLUTION
# | def may_go(snapshots, needed, days):
# |     return ____
def may_go(snapshots, needed, days):
    newest = snapshots[-1][0]
    stop = min([*needed, newest])
    return [snapshot for snapshot, age in snapshots if age > days and snapshot < stop]


# END SOLUTION
check("17.1", may_go)

# %% [markdown]
# ## 17.2 How many rows are new
#
# These are the commits to a table after a reader's watermark, as Iceberg's summaries tell them: a list of dictionaries with `operation` (`append`, `replace`, `overwrite` or `delete`) and `added_rows`. Write `new_rows(commits)`: how many rows the reader has to read, or `None` where it cannot go on and has to read the whole table.


# %%
# BEGIN SOLUTION
# | def new_rows(commits):
# |     return ____
def new_rows(commits):
    if any(commit["operation"] in ("overwrite", "delete") for commit in commits):
        return None
    return sum(commit["added_rows"] for commit in commits if commit["operation"] == "append")


# END SOLUTION
check("17.2", new_rows)

# %% [markdown]
# ## 17.3 What frees storage
#
# A table has small files, all its snapshots are old enough, nobody reads on from them, and no writer has died. Which of the steps `"compact"`, `"expire"` and `"orphans"` leave nothing stored but one file of today's rows? Give them in order, none more than is needed. `check` does them to a table and looks at what is stored.

# %%
# BEGIN SOLUTION
# | steps = [____]
steps = ["compact", "expire"]
# END SOLUTION
check("17.3", steps)

# %% [markdown]
# ## 17.4 How old is an orphan
#
# A nightly job writes files for forty minutes and commits at the end. Which limit is right for the removal of orphans beside it? `"A"` ten minutes: what is left over should go soon. `"B"` no limit: the listing is compared with the metadata, which knows all files. `"C"` a day.

# %%
# BEGIN SOLUTION
# | choice = "____"
choice = "C"
# END SOLUTION
check("17.4", choice)

# %%
progress()
