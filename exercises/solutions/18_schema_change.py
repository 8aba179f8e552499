# %% [markdown]
# # 18 · Schema change: in place, by id, without invention
#
# Four questions; the first three are tried on tables of the running stack. Fill in each `____`, run the cell, and read what `check` says. `hint("18.1")` helps, and helps more the second time; `solution("18.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution

# %% [markdown]
# ## 18.1 In place, or a new column
#
# Five changes that people ask for. For each: does an Iceberg table take it `"in place"`, with all values as they are, or does it need a `"new column"`?

# %%
# BEGIN SOLUTION
# | changes = {
# |     "int to long": "____",
# |     "long to string": "____",
# |     "rename": "____",
# |     "decimal(9,2) to decimal(18,2)": "____",
# |     "long to int": "____",
# | }
changes = {
    "int to long": "in place",
    "long to string": "new column",
    "rename": "in place",
    "decimal(9,2) to decimal(18,2)": "in place",
    "long to int": "new column",
}
# END SOLUTION
check("18.1", changes)

# %% [markdown]
# ## 18.2 Another name
#
# The column `shop` is to be called `store`. Write `rename(table)`, where `table` is an Iceberg table (pyiceberg). No value may be lost, and no file rewritten.


# %%
# BEGIN SOLUTION
# | def rename(table):
# |     return ____
def rename(table):
    with table.update_schema() as update:
        update.rename_column("shop", "store")


# END SOLUTION
check("18.2", rename)

# %% [markdown]
# ## 18.3 A number from a text
#
# Order numbers came as `1533`, and come as `#1533` since this morning. Write a Spark SQL expression over the column `given` (a text) that gives the number of both forms, with or without blanks around it; and null, never an error, for everything that is no order number.

# %%
# BEGIN SOLUTION
# | order_number = "____"
order_number = """CASE WHEN trim(given) RLIKE '^#?[0-9]+$' THEN try_cast(replace(trim(given), '#', '') AS BIGINT) END"""
# END SOLUTION
check("18.3", order_number)

# %% [markdown]
# ## 18.4 What to forget
#
# A field that the shop has always sent is to become a column of `core.orders`, and from there of `analytics.order_summary`. Contracts, parser and transforms are changed. For which of the steps `staging.stg_shopify_orders`, `core.orders`, `analytics.order_summary` do you call `metadata.forget`, so that the column is filled for all orders, and no more than that?

# %%
# BEGIN SOLUTION
# | to_forget = [____]
to_forget = ["staging.stg_shopify_orders"]
# END SOLUTION
check("18.4", to_forget)

# %%
progress()
