"""YAML of other tools to plain values. What a file says is never run: a tag that names a Python object is refused.

The loader is PyYAML's safe one, in C where there is one (some ten times as fast). Of Python objects it knows a single
kind, the header names of aiohttp's recordings, and takes them for the texts that they are (V5).
"""

from typing import Any, Final

import yaml

from chatreel.formats.foreign import Unreadable

_TAG: Final = "tag:yaml.org,2002:"
_OLDEST: Final = 100
"""Characters of PyYAML's account of a fault that are worth repeating."""


def parse(data: bytes) -> object:
    """The one document of a file. Raises `Unreadable`, naming the line."""
    try:
        return yaml.load(data, Loader=_LOADER)  # noqa: S506 - derived from the safe loader: it builds plain values only
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise Unreadable(f"{line}{error.problem or 'this is not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Unreadable(f"this is not YAML: {str(error)[:_OLDEST]}") from error


def _istr(loader: Any, suffix: str, node: yaml.Node) -> str:
    """The text of a `multidict.istr`."""
    if suffix.rpartition(".")[2] != "istr":
        raise yaml.constructor.ConstructorError(
            None, None, f"it wants the Python object {suffix!r} to be made, which could run anything", node.start_mark
        )
    if isinstance(node, yaml.MappingNode):
        built = loader.construct_mapping(node, deep=True).get("args")
    else:
        built = loader.construct_sequence(node, deep=True)
    match built:
        case [str(text), *_]:
            return text
    raise yaml.constructor.ConstructorError(None, None, "a header name without its text", node.start_mark)


def _refuse(loader: Any, suffix: str, node: yaml.Node) -> object:  # noqa: ARG001 - the signature of a constructor
    raise yaml.constructor.ConstructorError(
        None, None, f"it wants the Python object {suffix!r} to be made, which could run anything", node.start_mark
    )


def _loader() -> Any:
    loader: Any = type("RecordingLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.add_multi_constructor(f"{_TAG}python/object/apply:multidict.", _istr)
    loader.add_multi_constructor(f"{_TAG}python/object/new:multidict.", _istr)
    loader.add_multi_constructor(f"{_TAG}python/", _refuse)  # the first prefix that fits counts
    loader.add_constructor("!binary", yaml.SafeLoader.construct_yaml_binary)  # Ruby writes one exclamation mark (V17)
    loader.add_constructor(f"{_TAG}python/unicode", yaml.SafeLoader.construct_yaml_str)
    return loader


_LOADER: Final = _loader()
