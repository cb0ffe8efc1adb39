"""Plain containers to typed configuration and back; no Hydra, no omegaconf.

The type hints of the schema are the rules: every key must be known, present and of its type. A union of
dataclasses is told apart by the `kind` of its members.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sched_rl.config.schema import Config
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError

T = TypeVar("T")


def tree_to_config(tree: Mapping[str, Any]) -> Config:
    """The typed configuration of a nested mapping; ranges and cross-field rules are not checked here.

    Raises:
        ConfigError: naming the first key that is unknown, missing or ill-typed.
    """
    config = _convert(Config, tree, "")
    if not isinstance(config, Config):
        raise ConfigError("a configuration is a mapping of keys")
    return config


def tree_to(cls: type[T], tree: Mapping[str, Any]) -> T:
    """As `tree_to_config`, for another root.

    Raises:
        ConfigError: naming the first key that is unknown, missing or ill-typed.
    """
    converted: T = _convert_dataclass(cls, tree, "")
    return converted


def config_to_dict(config: Config) -> dict[str, Any]:
    """Nested dicts, lists, numbers, strings and None; `config_from_dict` reads them back to an equal one."""
    plain = _plain(config)
    return dict(plain)


def show(value: Any) -> str:
    """A value as one would write it on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(show(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{show(item)}" for key, item in value.items()) + "}"
    return str(value)


def members(hint: Any) -> list[type]:
    """The dataclasses that a type hint allows at a key: one, or the members of a union told apart by kind."""
    arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return [arm for arm in arms if isinstance(arm, type) and dataclasses.is_dataclass(arm)]


def describe(hint: Any) -> str:
    """What a type hint allows, in words: `a whole number or null`."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        arms = [arm for arm in get_args(hint) if arm is not NoneType]
        return f"{' or '.join(describe(arm) for arm in arms)} or null"
    if origin is Literal:
        return one_of([str(option) for option in get_args(hint)])
    if origin is tuple:
        return f"a list {_PLURALS.get(get_args(hint)[0], '')} like [a,b]"
    return _NOUNS.get(hint, "a section")


@cache
def field_types(cls: type) -> dict[str, Any]:
    """Field name to resolved type hint of a schema dataclass."""
    return get_type_hints(cls)


def kind_of(cls: type) -> str | None:
    """The `kind` that tells a union's member apart; None for a dataclass without one."""
    hint = field_types(cls).get("kind")
    return str(get_args(hint)[0]) if hint is not None else None


def schema_keys(cls: type = Config, prefix: str = "") -> list[str]:
    """Every dotted key of every kind."""
    keys: list[str] = []
    for name, hint in field_types(cls).items():
        nested = members(hint)
        for member in nested:
            keys += schema_keys(member, f"{prefix}{name}.")
        if not nested:
            keys.append(prefix + name)
    return list(dict.fromkeys(keys))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _convert(hint: Any, value: Any, path: str, stated: Any = None) -> Any:
    """`stated` is the type that messages name where it is wider than `hint` (a number or null)."""
    stated = hint if stated is None else stated
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _convert_union(hint, value, path)
    if origin is Literal:
        if isinstance(value, str) and value in get_args(hint):
            return value
        raise _mismatch(path, value, stated)
    if origin is tuple:
        return _convert_list(hint, value, path, stated)
    if origin is dict:
        item_hint, tree = get_args(hint)[1], _mapping(value, path)
        return {key: _convert(item_hint, item, f"{path}.{key}") for key, item in tree.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _convert_dataclass(hint, value, path)
    converted = _SCALARS[hint](value)
    if converted is None:
        quoting = f"""; quote it: '{path}="{show(value)}"'""" if hint is str and value is not None else ""
        raise _mismatch(path, value, stated, quoting)
    return converted


def _convert_union(hint: Any, value: Any, path: str) -> Any:
    arms = [arm for arm in get_args(hint) if arm is not NoneType]
    if value is None and NoneType in get_args(hint):
        return None
    if len(arms) == 1:
        return _convert(arms[0], value, path, stated=hint)
    by_kind = {kind_of(arm): arm for arm in arms}
    kind = _mapping(value, path).get("kind")
    if kind not in by_kind:
        allowed = one_of([str(name) for name in by_kind])
        raise ConfigError(f"{path}.kind={show(kind)}: must be {allowed}")
    return _convert_dataclass(by_kind[kind], value, path)


def _convert_list(hint: Any, value: Any, path: str, stated: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _mismatch(path, value, stated)
    try:
        return tuple(_convert(get_args(hint)[0], item, path) for item in value)
    except ConfigError:
        raise _mismatch(path, value, stated) from None


def _mismatch(path: str, value: Any, stated: Any, remedy: str = "") -> ConfigError:
    return ConfigError(f"{path}={show(value)}: must be {describe(stated)}{remedy}")


def _convert_dataclass(cls: type, value: Any, path: str) -> Any:
    hints = field_types(cls)
    tree = _mapping(value, path)
    dot = f"{path}." if path else ""
    for key in tree:
        if key not in hints:
            known = [dot + name for name in hints]
            raise ConfigError(f"unknown key {dot}{key}{did_you_mean(f'{dot}{key}', known)}")
    for name in hints:
        if name not in tree:
            raise ConfigError(f"{dot}{name}: missing; it needs a value")
    return cls(**{name: _convert(hint, tree[name], dot + name) for name, hint in hints.items()})


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigError(f"{path or 'configuration'}={show(value)}: must be a section with keys of its own")


def _as_bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_int(value: Any) -> int | None:
    # 1e6 is how people write a million, and YAML reads it as a float.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_float(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _as_str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_SCALARS: dict[Any, Callable[[Any], Any]] = {bool: _as_bool, int: _as_int, float: _as_float, str: _as_str}
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_PLURALS = {bool: "of true and false", int: "of whole numbers", float: "of numbers", str: "of names"}
