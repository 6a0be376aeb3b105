"""What a user types, in the one form that typer understands.

typer takes whole option names and one value each. `siblings` also takes the beginning of a name (`--rat 0.5`) and
several values behind one option (`--ratio 0.2 0.5 0.8`), which end at the next option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Takes = Literal["nothing", "one", "several", "any"]  # values of an option; "several" is at least one, "any" may be none
HELP = ("-h", "--help")


class TokenError(ValueError):
    """An option that cannot be understood, with a message for the user."""


def spelled_out(tokens: Sequence[str], options: Mapping[str, Takes], *, mixed: bool = True) -> list[str]:
    """The tokens with whole option names, each with at most one value and that behind "=": "--ratio=0.2 --ratio=0.5".

    options: name -> what it takes. mixed: options may stand behind other words, else the first word that is none ends
    them. Of an option with several values the last mention counts. What is no known option stays as it is. Raises
    TokenError for a beginning that fits more than one option, and for an option whose value is missing.
    """
    found: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token == "--" or not (mixed or token.startswith("-")):
            return [*found, token, *tokens[at:]]
        written, equals, value = token.partition("=")
        name = _whole_name(written, options)
        takes = options.get(name, "nothing")
        if takes == "nothing":
            found.append(name + equals + value)
            continue
        values = [value] if equals else _values(tokens[at:], takes, options)
        if not values and takes != "any":
            raise TokenError(f"Option {name} needs a value.")
        at += 0 if equals else len(values)
        if takes != "one":
            found = [other for other in found if not other.startswith(f"{name}=")]
        found += [f"{name}={value}" for value in values]
    return found


def _values(rest: Sequence[str], takes: Takes, options: Mapping[str, Takes]) -> list[str]:
    """The values that an option takes of the tokens behind it."""
    values: list[str] = []
    for token in rest[:1] if takes == "one" else rest:
        known = _whole_name(token.partition("=")[0], options) in options
        if known or token in HELP or (token.startswith("--") and " " not in token):
            break  # negative numbers are values, and so are sentences that begin with two dashes
        values.append(token)
    return values


def _whole_name(written: str, options: Mapping[str, Takes]) -> str:
    """The option that begins so; what is written where none does."""
    if written in options or not written.startswith("--") or written == "--":
        return written
    fitting = [name for name in dict.fromkeys((*options, *HELP)) if name.startswith(written)]
    if len(fitting) > 1:
        raise TokenError(f"Option {written} can mean {', '.join(fitting[:-1])} or {fitting[-1]}.")
    return fitting[0] if fitting else written
