"""Settings that are tables in a file: rules of the key, prices, shapes of secrets. Each raises `ValueError`."""

from chatreel.canonical import Rule, shipped_rules
from chatreel.config.readers import split
from chatreel.rates import PriceOverride, parse_override
from chatreel.secret_shapes import Pattern, own_pattern


def rules(given: object) -> tuple[Rule, ...]:
    """Names of shipped rules, and tables: a rule of one's own, or `name` alone for a shipped one."""
    entries = split(given)
    if not isinstance(entries, list | tuple):
        raise ValueError("give a list of rules: names of shipped ones, or tables with name, pointer and pattern")  # noqa: TRY004 - whoever loads settings expects it
    return tuple(rule for entry in entries for rule in _rules_of(entry))


def prices(given: object) -> tuple[PriceOverride, ...]:
    return tuple(map(parse_override, _tables(given, "price", "prices")))


def patterns(given: object) -> tuple[Pattern, ...]:
    return tuple(map(_pattern_of, _tables(given, "redact", "shapes")))


def _rules_of(entry: object) -> tuple[Rule, ...]:
    match entry:
        case str(name):
            return shipped_rules(name)
        case {"name": str(name), **others} if not others:
            return shipped_rules(name)
        case {"name": str(name), "pointer": str(pointer), "pattern": str(pattern), **others} if not others:
            return (Rule(name, pointer, pattern),)
    raise ValueError(f"{entry!r} is no rule: give the name of a shipped one, or name, pointer and pattern")


def _pattern_of(entry: object) -> Pattern:
    match entry:
        case {"name": str(name), "pattern": str(pattern), **others} if not others:
            return own_pattern(name, pattern)
    raise ValueError(f"{entry!r} is no shape of a secret: give name and pattern")


def _tables(given: object, name: str, what: str) -> list[object]:
    """Tables of a file; a variable of the environment holds them as JSON."""
    if isinstance(given, str):
        import json  # few have any

        try:
            given = json.loads(given)
        except ValueError as error:
            raise ValueError(
                f"{given!r} is not JSON: give a list of objects, or [[{name}]] tables in a file"
            ) from error
    if not isinstance(given, list | tuple):
        raise ValueError(f"give a list of {what}, or [[{name}]] tables in a file")  # noqa: TRY004 - as above
    return [*given]
