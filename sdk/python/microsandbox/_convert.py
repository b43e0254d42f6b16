# SPDX-License-Identifier: Apache-2.0
"""Shapes of arguments: dataclasses, or mappings with the same keys; units of time and size."""
from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, Union

StrPath = Union[str, "os.PathLike[str]"]
D = TypeVar("D")

MiB = 1 << 20
"""Bytes."""
GiB = 1 << 30
"""Bytes."""


@dataclasses.dataclass(frozen=True, order=True)
class Size:
    """A number of bytes, accepted wherever MiB are asked for: Size.gib(2)."""

    bytes: int

    @classmethod
    def mib(cls, n: float) -> Size:
        return cls(round(n * MiB))

    @classmethod
    def gib(cls, n: float) -> Size:
        return cls(round(n * GiB))


SizeLike = Union[int, Size]


def mib(value: SizeLike | None) -> int | None:
    """A part of a MiB counts as one."""
    if isinstance(value, Size):
        return -(-value.bytes // MiB)
    return value if value is None else integer(value, "a size in MiB")


def integer(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is an int, not {type(value).__name__}")
    return value


def number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} is neither negative nor endless: {value}")
    return value


def ms(value: float, what: str = "a timeout") -> int:
    """Of seconds; what is not 0 does not become 0."""
    return math.ceil(number(value, what) * 1000)


def seconds(value: float | None, what: str) -> int | None:
    return None if value is None else math.ceil(number(value, what))


def text(value: Any, what: str) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    return value


def texts(value: Any, what: str) -> list[str]:
    """A sequence of strings that is not one string by mistake."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{what} is a list of str, not {type(value).__name__}")
    return [text(item, f"an item of {what}") for item in value]


def path(value: StrPath) -> str:
    """Objects are paths of the host, which a str may or may not be."""
    return value if isinstance(value, str) else os.path.abspath(os.fspath(value))


def pairs(value: Mapping[str, str], what: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} is a mapping, not {type(value).__name__}")
    return {text(k, f"a key of {what}"): text(v, f"a value of {what}") for k, v in value.items()}


def labels(value: Mapping[str, str] | None) -> list[str]:
    return [f"{k}={v}" for k, v in pairs(value or {}, "labels").items()]


def make(cls: type[D], value: Any) -> D:
    """An object of a dataclass, or a mapping with its fields; others are a TypeError."""
    if isinstance(value, cls):
        return value
    if isinstance(value, Mapping):
        return cls(**value)
    raise TypeError(f"{cls.__name__} or a mapping expected, not {type(value).__name__}")


def some(**fields: Any) -> dict[str, Any]:
    """Without what is None."""
    return {key: value for key, value in fields.items() if value is not None}
