# %% [markdown]
# # 21 · Growing out: spread, move, save
#
# Three questions. Fill in each `____`, run the cell, and read what `check` says. `hint("21.1")` helps, and helps more the second time; `solution("21.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution
from lakehouse.lesson.questions.sheet_21 import SHOP, bill

# %% [markdown]
# ## 21.1 A key that spreads, and keeps together
#
# A window over `raw.shopify_orders` finds the latest event of each order. Its rows are to be spread over eight partitions: none may get more than twice the mean, and the window must give the same answer as on one machine. By what do you spread? Give columns or expressions as in SQL, with commas between them.

# %%
# BEGIN SOLUTION
# | spread_by = "____"
spread_by = "id"
# END SOLUTION
check("21.1", spread_by)

# %% [markdown]
# ## 21.2 The settings of a move
#
# Only the object store moves, to a managed one in another region with a bucket of another name; everything else goes on running here. Which settings does this stack need anew? Name all of them and no other (`lakehouse settings` lists them; the prefix `LAKEHOUSE_` may be left out). What depends on whose store it will be, as the authority behind its certificate, need not be named.

# %%
# BEGIN SOLUTION
# | settings_to_change = [____]
settings_to_change = ["s3_endpoint", "s3_region", "s3_access_key", "s3_secret_key", "warehouse"]
# END SOLUTION
check("21.2", settings_to_change)

# %% [markdown]
# ## 21.3 Where to save
#
# A shop sends 200,000 webhooks a day (`SHOP`), and its readers were promised data no older than five minutes. `bill()` is its month on paper, `bill(months_kept=12)` the same after a change. Of `"keep half as long"`, `"commit every minute"`, `"commit every ten minutes"` and `"half the tables"`, which one saves the most and keeps the promise?

# %%
print(SHOP, f"{bill():.2f} US dollars a month")
# BEGIN SOLUTION
# | choice = "____"
choice = "commit every minute"
# END SOLUTION
check("21.3", choice)

# %%
progress()
