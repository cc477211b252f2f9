"""Text as each engine takes it: PostgreSQL knows no NUL in a text, which JSON, and so the name of a model, may hold."""

import re

from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

_ESCAPED = re.compile(r"\\([0\\])")


class _WithoutNul(TypeDecorator[str]):
    """NUL as `\\0`, and so the backslash as `\\\\`."""

    impl: type[String] = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the library's
        if value is None:
            return None
        return value.replace("\\", "\\\\").replace("\0", "\\0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None or "\\" not in value:
            return value
        return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else "\\", value)


class _ShortWithoutNul(_WithoutNul):
    impl = String
    cache_ok = True


def text(length: int | None = None) -> TypeEngine[str]:
    """A column of text; `length` is that of the longest one."""
    plain: TypeEngine[str] = String(length) if length else Text()
    return plain.with_variant(_ShortWithoutNul(length) if length else _WithoutNul(), "postgresql")
