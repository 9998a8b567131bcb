"""Everything a person can do, in one table.

It feeds the keys, footer, palette and help of the app, the command list and help
texts of the command line, and `tunery actions --json`. It imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

Scope = Literal["anywhere", "home", "run"]

# Terminals, tmux and shells use these with ctrl, or cannot tell them from other keys.
FORBIDDEN_CTRL = frozenset("abchijmqszv[")

# Words that stand before other verbs, and their sentence in `tunery --help`.
GROUPS = {"data": "Look at data before a model learns from it: inspect, tokens, diff, generate, review."}


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    `id` names the app's `action_<id>`. `about` is one sentence, and the help of the
    command. `keys` are Textual key names, the first one shown. `scopes` is where in the
    app it applies; nowhere for what only the command line does. `twin` is the same on the
    command line; without one, `no_twin` says why. `code` is "module:function" where this
    action is the command's own.
    """

    id: str
    title: str
    about: str
    keys: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ("anywhere",)
    twin: str | None = None
    no_twin: str | None = None
    code: str | None = None
    in_footer: bool = False

    @property
    def command(self) -> str | None:
        """The command's words, such as "data inspect", where this action is the command's own."""
        if not (self.twin and self.code):
            return None
        return " ".join(takewhile(_is_verb, self.twin.split()[1:]))


ACTIONS: tuple[Action, ...] = (
    Action(
        "init",
        "New recipe",
        "Write a commented recipe and a small sample of conversations into a folder.",
        keys=("i",),
        scopes=("home",),
        twin="tunery init DIR",
        code="tui.cli.recipes:init",
    ),
    Action(
        "check",
        "Check recipe",
        "Check a recipe and its data, and say what would run; loads no model.",
        keys=("c",),
        scopes=("home",),
        twin="tunery check RECIPE",
        code="tui.cli.recipes:check",
    ),
    Action(
        "data_inspect",
        "Data",
        "Say what is wrong with data before a model learns from it, and what to do about it.",
        keys=("a",),
        scopes=("home", "run"),
        twin="tunery data inspect PATH",
        code="tui.cli.data:inspect",
    ),
    Action(
        "data_tokens",
        "Tokens",
        "Show the tokens that training reads, coloured by what is trained, read only, or padding.",
        keys=("u",),
        scopes=("run",),
        twin="tunery data tokens RECIPE",
        code="tui.cli.data:tokens",
    ),
    Action(
        "data_diff",
        "Compare data",
        "Say how two runs' data differ: rows, sources, tokens, and the settings behind it.",
        scopes=(),
        twin="tunery data diff A B",
        code="tui.cli.data:diff",
    ),
    Action(
        "data_generate",
        "Generate rows",
        "Propose question-answer rows from documents, each with its source and checked against it.",
        scopes=(),
        twin="tunery data generate RECIPE --docs FOLDER --out FILE",
        code="tui.cli.generating:generate",
    ),
    Action(
        "data_review",
        "Review rows",
        "Accept, edit or reject proposed rows, one by one; only accepted ones are trained on.",
        scopes=(),
        twin="tunery data review FILE",
        code="tui.cli.generating:review",
    ),
    Action(
        "run",
        "Run recipe",
        "Run a recipe: prepare, train, export, evaluate. The job outlives the terminal.",
        keys=("n",),
        scopes=("home",),
        twin="tunery run RECIPE",
        code="tui.cli.running:run",
        in_footer=True,
    ),
    Action(
        "attach",
        "Open run",
        "Watch a run until it ends; Ctrl-C leaves it running.",
        keys=("o",),
        scopes=("home",),
        twin="tunery attach RUN",
        code="tui.cli.running:attach",
        in_footer=True,
    ),
    Action(
        "runs",
        "Home",
        "List the runs of this workspace, newest first.",
        keys=("1",),
        twin="tunery runs",
        code="tui.cli.listing:runs",
    ),
    Action(
        "logs",
        "Whole log",
        "Print what a run reported.",
        keys=("l",),
        scopes=("run",),
        twin="tunery logs RUN",
        code="tui.cli.listing:logs",
        in_footer=True,
    ),
    Action(
        "stop",
        "Stop",
        "Ask a run to write a checkpoint and stop; `resume` goes on from there.",
        keys=("s",),
        scopes=("home", "run"),
        twin="tunery stop RUN",
        code="tui.cli.control:stop",
        in_footer=True,
    ),
    Action(
        "checkpoint",
        "Checkpoint",
        "Ask a training run to write a checkpoint now and go on.",
        keys=("k",),
        scopes=("run",),
        twin="tunery checkpoint RUN",
        code="tui.cli.control:checkpoint",
        in_footer=True,
    ),
    Action(
        "resume",
        "Resume",
        "Go on with a stopped, failed or lost run from its last checkpoint.",
        keys=("r",),
        scopes=("home", "run"),
        twin="tunery resume RUN",
        code="tui.cli.control:resume",
        in_footer=True,
    ),
    Action(
        "report",
        "Report",
        "Show how the tuned model compares with its base, with intervals.",
        keys=("e",),
        scopes=("home", "run"),
        twin="tunery report RUN",
        code="tui.cli.results:report",
        in_footer=True,
    ),
    Action(
        "parity",
        "Parity",
        "Show how equal each export is to the tuned model; exits 4 when it is not.",
        keys=("p",),
        scopes=("run",),
        twin="tunery parity RUN",
        code="tui.cli.results:parity",
    ),
    Action(
        "serve",
        "Serve",
        "Serve a run's export over an OpenAI-compatible HTTP API.",
        keys=("v",),
        scopes=("run",),
        twin="tunery serve RUN --detach",
        code="tui.cli.serving:serve",
        in_footer=True,
    ),
    Action(
        "stop_server",
        "Stop server",
        "Stop the server of this run; requests in flight are answered first.",
        keys=("x",),
        scopes=("run",),
        twin="tunery serve RUN --stop",
    ),
    Action(
        "servers",
        "Servers",
        "List the servers of this workspace, with their addresses.",
        keys=("w",),
        twin="tunery servers",
        code="tui.cli.serving:servers",
    ),
    Action(
        "chat",
        "Chat",
        "Talk to a run's model, line by line.",
        keys=("t",),
        scopes=("run",),
        twin="tunery chat RUN",
        code="tui.cli.chat:chat",
        in_footer=True,
    ),
    Action(
        "doctor",
        "Doctor",
        "Look for what would go wrong on this machine, and say how to mend it.",
        keys=("d",),
        twin="tunery doctor",
        code="tui.cli.doctor:doctor",
    ),
    Action(
        "help",
        "Help",
        "List every action with its key and its command.",
        keys=("question_mark",),
        twin="tunery actions",
        code="tui.cli.listing:actions",
        in_footer=True,
    ),
    Action(
        "next_metric",
        "Next chart",
        "Draw the next number over the steps: loss, learning rate, gradient norm, tokens a second.",
        keys=("m",),
        scopes=("run",),
        no_twin="It changes what is drawn; `tunery logs RUN --json` prints every number.",
    ),
    Action(
        "command_palette",
        "Palette",
        "Find an action by typing a part of its name.",
        keys=("colon", "ctrl+p"),
        no_twin="On the command line, `tunery --help` lists what there is.",
        in_footer=True,
    ),
    Action(
        "back",
        "Back",
        "Leave this screen.",
        keys=("escape",),
        no_twin="It moves between screens.",
        in_footer=True,
    ),
    Action(
        "quit",
        "Quit",
        "Leave the app; jobs and servers go on.",
        keys=("q",),
        no_twin="A command ends by itself.",
        in_footer=True,
    ),
)


def action_named(action_id: str) -> Action:
    return next(action for action in ACTIONS if action.id == action_id)


def actions_in(scope: Scope) -> tuple[Action, ...]:
    """The actions that belong to one screen, or to every screen, in the table's order."""
    return tuple(action for action in ACTIONS if scope in action.scopes)


def commands() -> dict[str, Action]:
    """A command's words, such as "run" or "data inspect" -> its action, in the table's order."""
    return {action.command: action for action in ACTIONS if action.command}


def verbs(group: str = "") -> dict[str, str]:
    """What can follow `tunery`, or `tunery GROUP`: each word with its sentence, in the table's order."""
    found: dict[str, str] = {}
    for command, action in commands().items():
        first, _, second = command.partition(" ")
        if not group:
            found[first] = GROUPS.get(first, action.about)
        elif first == group:
            found[second] = action.about
    return found


def _is_verb(word: str) -> bool:
    return word.islower() and not word.startswith("-")


def key_label(key: str) -> str:
    """How a key is written for people: "question_mark" -> "?"."""
    names = {"question_mark": "?", "colon": ":", "escape": "esc", "enter": "⏎"}
    return names.get(key, key.replace("ctrl+", "^"))
