"""Webhook requests that nobody signed: correctly signed ones, changed in every way that somebody may think of.

A change is a forgery when what the sender signed is not what arrives (`requests.same_content`). Changes that leave it
as it was are made too, and told apart: a receiver has to take those.
"""
