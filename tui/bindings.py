"""Keys of the app and its screens, from the actions table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.actions import Scope, actions_in, key_label


def bindings_for(scope: Scope) -> list[BindingType]:
    """One binding for each action of `scope` that has a key; its id is the action's."""
    return [
        Binding(
            ",".join(action.keys),
            action.id,
            action.title,
            show=action.in_footer,
            key_display=key_label(action.keys[0]),
            tooltip=action.about,
            id=f"{scope}.{action.id}",
        )
        for action in actions_in(scope)
        if action.keys
    ]
