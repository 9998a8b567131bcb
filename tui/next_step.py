"""The one thing to do next, from what there is."""

from __future__ import annotations

from collections.abc import Sequence

from tui.views import NextStep, RunView, ServerView
from tui.words import first_line


def next_step(recipe: str | None, runs: Sequence[RunView], servers: Sequence[ServerView]) -> NextStep:
    """`runs` are newest first. A run at work comes before everything else."""
    live = next((run for run in runs if run.live), None)
    if live:
        about = f"It is at {live.step}." if live.step else "It waits for its turn."
        return NextStep(f"{live.name} is {live.state}", about, "attach", "Watch it", live.id)
    if runs:
        return _after(runs[0], recipe, servers)
    if recipe:
        about = "Prepare the data, train, export, evaluate. You can leave at any time: the job goes on."
        return NextStep(f"Run {recipe}", about, "run", "Run it", recipe)
    about = "Write a commented recipe.yaml and a small sample of conversations into this folder."
    return NextStep("Start with a recipe", about, "init", "Write it")


def _after(run: RunView, recipe: str | None, servers: Sequence[ServerView]) -> NextStep:
    """What follows the newest run, which is over."""
    if run.state == "failed":
        return NextStep(f"{run.name} failed", first_line(run.error, 200), "attach", "See why", run.id)
    if run.resumable:
        about = "It goes on from its last checkpoint; nothing that was done is done again."
        return NextStep(f"{run.name} is {run.state}", about, "resume", "Go on", run.id)
    if not run.exported:
        about = "It went as far as it was asked to. What is done is not done again."
        if recipe:
            return NextStep(f"Run all of {recipe}", about, "run", "Run it", recipe)
        return NextStep(f"{run.name} is done", about, "attach", "Open it", run.id)
    server = next((server for server in servers if server.name == run.name), None)
    if server:
        return NextStep(f"{run.name} answers at {server.url}", "Ask it something.", "chat", "Chat", run.id)
    about = "Start an OpenAI-compatible server for it. The report (e) shows what it learned."
    return NextStep(f"{run.name} is ready", about, "serve", "Serve it", run.id)
