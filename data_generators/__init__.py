"""A seeded world of people, what three senders tell about them, and a sender that posts it.

The same seed gives the same bytes.
"""
