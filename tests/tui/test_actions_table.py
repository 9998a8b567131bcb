from __future__ import annotations

import json
import subprocess
import sys

import pytest
from textual.binding import Binding

from tui.actions import ACTIONS, FORBIDDEN_CTRL, GROUPS, actions_in, commands, verbs
from tui.app import TuneryApp
from tui.bindings import bindings_for
from tui.cli import _root
from tui.screens.home import HomeScreen
from tui.screens.run import RunScreen


def test_every_action_has_a_twin_or_says_why_not() -> None:
    for action in ACTIONS:
        assert bool(action.twin) != bool(action.no_twin), action.id


def test_every_command_is_an_action_and_every_twin_is_a_command() -> None:
    root = _root()
    assert root.list_commands(None) == list(verbs())
    for words, action in commands().items():
        *before, name = words.split()
        group = root.get_command(None, before[0]) if before else root
        command = group.get_command(None, name)
        assert command.name == name
        assert command.help == action.about
    for action in ACTIONS:
        if action.twin:
            assert any(f"{action.twin} ".startswith(f"tunery {words} ") for words in commands())


def test_a_group_lists_its_verbs_and_every_group_has_some() -> None:
    for name, about in GROUPS.items():
        group = _root().get_command(None, name)
        assert group.list_commands(None) == list(verbs(name))
        assert len(verbs(name)) > 1
        assert all(verb in about for verb in verbs(name))


def test_an_action_without_a_place_in_the_app_is_a_command() -> None:
    for action in ACTIONS:
        assert bool(action.scopes) or action.command, action.id
        assert bool(action.scopes) == bool(action.keys), action.id


def test_ids_are_unique_and_a_key_means_one_thing_on_a_screen() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    everywhere = [key for action in actions_in("anywhere") for key in action.keys]
    for scope in ("home", "run"):
        keys = [*everywhere, *(key for action in actions_in(scope) for key in action.keys)]
        assert len(set(keys)) == len(keys), scope


def test_no_key_is_one_that_terminals_keep_for_themselves() -> None:
    for owner in (TuneryApp, HomeScreen, RunScreen):
        for binding in owner.BINDINGS:
            assert isinstance(binding, Binding)
            for key in binding.key.split(","):
                assert key.removeprefix("ctrl+") not in FORBIDDEN_CTRL or not key.startswith("ctrl+")


@pytest.mark.parametrize(
    ("scope", "owner"), [("anywhere", TuneryApp), ("home", HomeScreen), ("run", RunScreen)]
)
def test_every_action_with_a_key_is_bound_and_does_something(scope: str, owner: type) -> None:
    bound = {binding.action for binding in bindings_for(scope)}
    assert bound == {action.id for action in actions_in(scope)}
    for action in bound:
        assert callable(getattr(owner, f"action_{action}")), action


def test_actions_as_json_is_the_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "actions", "--json"], capture_output=True, text=True, check=True
    )
    listed = json.loads(done.stdout)
    assert [item["id"] for item in listed] == [action.id for action in ACTIONS]
    assert all(item["twin"] or item["no_twin"] for item in listed)
