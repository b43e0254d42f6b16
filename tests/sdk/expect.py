# SPDX-License-Identifier: Apache-2.0
"""Words of table.json: what stands for values in arguments, and what answers are compared with.

In arguments, and in what is expected, "${name}" stands for a variable: a string that is nothing else
takes the variable's own type. {"$cbor": {"t": TYPE, "p": PAYLOAD}} is the body of a frame.

Expected are plain values, which must be equal (objects with the same keys), and these:

  {"$any": true}               anything but null
  {"$null_or": X}              null, or X
  {"$text": "..."}             bytes, which are this text
  {"$re": "..."}               a string, or bytes as text, that the expression matches completely
  {"$int": [LOW, HIGH]}        a number, from LOW to HIGH (null: no limit)
  {"$has": {...}}              an object with these keys, and perhaps others
  {"$contains": [X, ...]}      a list in which each of these is found
  {"$lacks": X}                a list, or keys of an object, in which there is no such thing
  {"$len": [LOW, HIGH]}        a list or string of a length
  {"$cbor": {...}}             the body of a frame: "t" and "p" of the message
"""
import base64
import re


def fill(value, names):
    """value with its variables."""
    if isinstance(value, str):
        whole = re.fullmatch(r"\$\{(\w+)\}", value)
        if whole:
            return names[whole[1]]
        return re.sub(r"\$\{(\w+)\}", lambda m: str(names[m[1]]), value)
    if isinstance(value, list):
        return [fill(v, names) for v in value]
    if isinstance(value, dict):
        return {fill(k, names): fill(v, names) for k, v in value.items()}
    return value


def text_of(value):
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"]).decode(errors="replace")
    return value


def within(n, limits):
    low, high = limits
    return (low is None or n >= low) and (high is None or n <= high)


def special(word, argument, got, wire):
    """Is got what a word asks for? None: there is no such word."""
    if word == "$any":
        return got is not None
    if word == "$null_or":
        return got is None or differs(argument, got, wire) is None
    if word == "$text":
        return base64.b64decode(got["b64"]) == argument.encode()
    if word == "$re":
        text = text_of(got)
        return isinstance(text, str) and re.fullmatch(argument, text, re.S) is not None
    if word == "$int":
        return isinstance(got, (int, float)) and not isinstance(got, bool) and within(got, argument)
    if word == "$has":
        return isinstance(got, dict) and all(
            k in got and differs(v, got[k], wire) is None for k, v in argument.items())
    if word == "$contains":
        return isinstance(got, list) and all(
            any(differs(x, item, wire) is None for item in got) for x in argument)
    if word == "$lacks":
        return all(differs(argument, item, wire) is not None for item in got)
    if word == "$len":
        return within(len(got), argument)
    if word == "$cbor":
        message, _ = wire.decode(base64.b64decode(got["b64"]))
        payload, _ = wire.decode(message["p"])
        return differs(argument, {"t": message["t"], "p": payload}, wire) is None
    return None


def differs(expected, got, wire):
    """None, or what is wrong with got."""
    if isinstance(expected, dict) and len(expected) == 1 and next(iter(expected)).startswith("$"):
        word, argument = next(iter(expected.items()))
        fits = special(word, argument, got, wire)
        if fits is None:
            raise ValueError(f"{word} is no word of the table")
        return None if fits else f"{got!r} is not {expected!r}"
    if isinstance(expected, dict):
        if not isinstance(got, dict) or set(expected) != set(got):
            return f"{got!r} is not {expected!r}"
        found = (differs(v, got[k], wire) for k, v in expected.items())
        return next((f for f in found if f), None)
    if isinstance(expected, list):
        if not isinstance(got, list) or len(expected) != len(got):
            return f"{got!r} is not {expected!r}"
        found = (differs(e, g, wire) for e, g in zip(expected, got))
        return next((f for f in found if f), None)
    if isinstance(expected, bool) or isinstance(got, bool):
        return None if expected is got else f"{got!r} is not {expected!r}"
    return None if expected == got else f"{got!r} is not {expected!r}"


def bodies(value, wire):
    """value with each {"$cbor": ...} as the bytes that it stands for."""
    if isinstance(value, list):
        return [bodies(v, wire) for v in value]
    if isinstance(value, dict) and set(value) == {"$cbor"}:
        m = value["$cbor"]
        body = wire.encode({"v": 6, "t": m["t"], "p": wire.encode(m["p"])})
        return {"b64": base64.b64encode(body).decode()}
    if isinstance(value, dict):
        return {k: bodies(v, wire) for k, v in value.items()}
    return value
