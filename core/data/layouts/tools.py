"""Functions that a model may call, and its calls, in the shape of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.data.layouts.layout import Fields, Refused, decoded, require_json
from serve.chat import ToolCall

_CALL = 'write {"type": "function", "function": {"name": ..., "arguments": {...}}}'
_TOOL = 'write {"type": "function", "function": {"name": ..., "parameters": {...}}}'


def read_calls(value: Any, where: str) -> tuple[ToolCall, ...]:
    """The `tool_calls` of a turn; arguments may be an object or its JSON text."""
    calls = decoded(value, f"`tool_calls` of {where}")
    if not isinstance(calls, list):
        raise Refused("wrong_type", f"`tool_calls` of {where} is not a list", _CALL)
    return tuple(read_call(call, where) for call in calls)


def read_call(call: Any, where: str) -> ToolCall:
    """One call, with or without the wrapping that says it is of a function."""
    named = _function(call)
    if named is None:
        raise Refused("wrong_type", f"{where} has a tool call without the name of a function", _CALL)
    called = f"`arguments` of {named['name'][:40]!r} in {where}"
    arguments = decoded(named.get("arguments"), called)
    if arguments in (None, ""):
        arguments = {}
    if not isinstance(arguments, dict):
        raise Refused("wrong_type", f"{called} is not an object", _CALL)
    require_json(arguments, called)
    number = call.get("id")
    if number is not None and not isinstance(number, str):
        raise Refused("wrong_type", f"{where} has a tool call whose `id` is not a text", "write it as a text")
    return ToolCall(named["name"], arguments, number)


def read_tools(row: Fields) -> tuple[Mapping[str, Any], ...]:
    """The row's `tools`, each wrapped as chat templates expect it."""
    tools = row.get("tools")
    if tools in (None, "", []):
        return ()
    tools = decoded(tools, "`tools`")
    if not isinstance(tools, list):
        raise Refused("wrong_type", "`tools` is not a list of functions", _TOOL)
    require_json(tools, "`tools`")
    return tuple(_wrapped(tool, number) for number, tool in enumerate(tools, 1))


def _wrapped(tool: Any, number: int) -> Mapping[str, Any]:
    named = _function(tool)
    if named is None:
        raise Refused("wrong_type", f"tool {number} has no name", _TOOL)
    return {"type": "function", "function": tool} if named is tool else tool


def _function(value: Any) -> Fields | None:
    """What is named: the value itself, or the function in it."""
    if not isinstance(value, dict) or value.get("type") not in (None, "function"):
        return None
    named = value.get("function", value)
    if not isinstance(named, dict) or not isinstance(named.get("name"), str) or not named["name"]:
        return None
    return named
