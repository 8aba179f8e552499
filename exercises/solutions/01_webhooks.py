# %% [markdown]
# # 01 · Webhooks: whom to believe, and what to answer
#
# Five questions. Fill in each `____`, run the cell, and read what `check` says. `hint("01.1")` helps, and helps more the second time; `solution("01.1")` shows one answer. Some checks start a receiver of their own, so they take a few seconds; nothing that they send reaches the stack's tables.

# %%
import hashlib
import hmac
import json

from lakehouse.lesson import ____, check, hint, progress, solution

# %% [markdown]
# ## 01.1 Which bytes
#
# Write `stripe_signature(secret, body, seconds)`: the value of the header `Stripe-Signature` for a body (bytes) that is sent at a time in seconds. The form is `t=…,v1=…`, and `v1` is `hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()`; the question is which bytes are the message. It is judged on payloads of `raw.stripe_charges`, by the receiver's own code.


# %%
# BEGIN SOLUTION
# | def stripe_signature(secret, body, seconds):
# |     return ____
def stripe_signature(secret, body, seconds):
    message = str(seconds).encode() + b"." + body
    return f"t={seconds},v1={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


# END SOLUTION
check("01.1", stripe_signature)

# %% [markdown]
# ## 01.2 Equal, and nothing else said
#
# Write `same(expected, given)`: whether two texts are equal, where `given` is whatever somebody put in the header. It must not tell by its time where they differ, and it must have an answer for every text.


# %%
# BEGIN SOLUTION
# | def same(expected, given):
# |     return ____
def same(expected, given):
    return hmac.compare_digest(expected.encode(), given.encode())


# END SOLUTION
check("01.2", same)

# %% [markdown]
# ## 01.3 Recorded, and sent again
#
# Somebody has recorded one good request of each sender, and sends each of them again an hour later, to the byte; and Shopify's once more with another `X-Shopify-Webhook-Id`. What becomes of each? Choose `"refused"`, `"duplicate"` (taken, and staging does not count it) or `"new event"` (taken, and staging counts it).

# %%
# BEGIN SOLUTION
# | replayed = {"shopify": "____", "stripe": "____", "hubspot": "____", "shopify with another id": "____"}
replayed = {
    "shopify": "duplicate",
    "stripe": "refused",
    "hubspot": "refused",
    "shopify with another id": "new event",
}
# END SOLUTION
check("01.3", replayed)

# %% [markdown]
# ## 01.4 The answer that loses nothing
#
# You write the receiver anew. Which status do you give to each of these? Think of what the sender does next: it forgets what was answered with `200`, and tries everything else again, some of them until they give up the subscription.

# %%
# BEGIN SOLUTION
# | status = {
# |     "signed with an unknown secret": ____,
# |     "signed, but its JSON is cut off": ____,
# |     "signed, of a topic that nobody asked for": ____,
# |     "over the size limit": ____,
# |     "good, but the broker does not acknowledge": ____,
# |     "good, and it has come before": ____,
# | }
status = {
    "signed with an unknown secret": 401,
    "signed, but its JSON is cut off": 200,
    "signed, of a topic that nobody asked for": 200,
    "over the size limit": 413,
    "good, but the broker does not acknowledge": 503,
    "good, and it has come before": 200,
}
# END SOLUTION
check("01.4", status)

# %% [markdown]
# ## 01.5 A new secret, and no request refused
#
# Put the steps in order, as a text such as `"DCBA"`. Webhooks come all the time, and for a while after the change the sender may still sign with the old secret.
#
# * `A` the sender is told to sign with the new secret
# * `B` the receiver takes the new secret alone
# * `C` the receiver takes the new and the old secret
# * `D` wait until nothing that is signed with the old secret can come any more

# %%
# BEGIN SOLUTION
# | order = "____"
order = "CADB"
# END SOLUTION
check("01.5", order)

# %%
progress()
