"""Erasure of a person from every layer, and the proof on the bytes that are stored."""
