# %% [markdown]
# # 05 · Staging: what counts, what wins, what is refused
#
# Five questions on the tables of the running stack. Fill in each `____`, run the cell, and read what `check` says. `hint("05.1")` helps, and helps more the second time; `solution("05.1")` shows one answer.

# %%
from decimal import Decimal

from lakehouse.lesson import ____, check, hint, progress, query, solution

# %% [markdown]
# ## 05.1 Duplicates
#
# Some webhooks of the raw table of orders were delivered more than once. Count the deliveries that are too many: those that tell nothing which an earlier delivery has not told. Which column says that two deliveries are the same webhook?

# %%
# BEGIN SOLUTION
# | duplicates = query("SELECT count(*) - count(DISTINCT ____) AS n FROM raw.shopify_orders")
duplicates = query("SELECT count(*) - count(DISTINCT _webhook_id) AS n FROM raw.shopify_orders")
# END SOLUTION
check("05.1", duplicates)

# %% [markdown]
# ## 05.2 The order that survives late deliveries
#
# Of all deliveries about one order, the first row of a window makes its state. Write the `ORDER BY` of that window, such that late deliveries do no harm; where two events happened at the same moment, let the one that came later win.

# %%
# BEGIN SOLUTION
# | order_by = "____"
order_by = "_triggered_at DESC, _kafka_offset DESC"
# END SOLUTION
check("05.2", order_by)

# %% [markdown]
# ## 05.3 Exact, or refused
#
# Write `amount(text, digits)`: the amount in major units as a `Decimal`, where `digits` is how many digits the currency has after the point (2 for USD, 0 for JPY). Raise `ValueError` for what is no plain amount or has more digits than the currency has. Do not round.


# %%
# BEGIN SOLUTION
# | def amount(text, digits):
# |     return ____
def amount(text, digits):
    whole, point, fraction = text.removeprefix("-").partition(".")
    plain = whole.isascii() and whole.isdigit() and (not point or (fraction.isascii() and fraction.isdigit()))
    if not plain or len(fraction.rstrip("0")) > digits:
        raise ValueError(f"{text!r} is no amount with {digits} digits")
    return Decimal(text)


# END SOLUTION
check("05.3", amount)

# %% [markdown]
# ## 05.4 Where the rows went
#
# A colleague compares `count(*)` of raw and of staging and says: *you have lost thousands of orders.* Answer with the account: the number of deliveries, minus duplicates, minus superseded events, gives the events that made the state. Fill in a dictionary with these three numbers and the result.

# %%
# BEGIN SOLUTION
# | account = {"deliveries": ____, "duplicates": ____, "superseded": ____, "applied": ____}
books = query(
    """SELECT sum(1 + duplicates) AS deliveries, sum(duplicates) AS duplicates,
              count_if(status = 'superseded') AS superseded, count_if(status = 'applied') AS applied
       FROM staging.webhook_events WHERE raw_table = 'raw.shopify_orders'"""
)
account = {name: int(books[name].iloc[0]) for name in books}
# END SOLUTION
check("05.4", account)

# %% [markdown]
# ## 05.5 A delete that came early
#
# The message that an order was deleted arrives **before** a late update of the same order. What must staging hold afterwards? Choose one: `"A"` the order as the update says, for it came last; `"B"` no row, for it was deleted; `"C"` a row that is marked as deleted, and which the late update does not bring back.

# %%
# BEGIN SOLUTION
# | choice = "____"
choice = "C"
# END SOLUTION
check("05.5", choice)

# %%
progress()
