"""Texts that remember how they were compared: whether by something that stops at the first difference."""

from __future__ import annotations

from typing import Any


class Watched:
    """`text` gives such a text; `looked` is the operation that stops early, once somebody has used one."""

    def __init__(self) -> None:
        self.looked = ""

    def text(self, value: str) -> str:
        watch = self

        class Text(str):
            __slots__ = ()
            __hash__ = str.__hash__

            def encode(self, *arguments: Any, **named: Any) -> bytes:
                return watch.data(str.encode(self, *arguments, **named))

        return self._watching(Text, str, value)

    def data(self, value: bytes) -> bytes:
        class Data(bytes):
            __slots__ = ()
            __hash__ = bytes.__hash__

        return self._watching(Data, bytes, value)

    def _watching(self, kind: Any, base: Any, value: Any) -> Any:
        def reporting(name: str) -> Any:
            inner = getattr(base, name)

            def report(one: Any, *arguments: Any) -> Any:
                self.looked = name
                return inner(one, *arguments)

            return report

        for name in ("__eq__", "__ne__", "__iter__", "__getitem__", "startswith", "__contains__"):
            setattr(kind, name, reporting(name))
        return kind(value)
