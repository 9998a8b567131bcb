"""The licence of a model: read from its card, kept as a card of our own beside the weights.

A model folder of the workspace has a README.md with nothing but the licence, so that
the GGUF converter finds it there and what it writes says under which licence it is.
"""

from __future__ import annotations

from pathlib import Path

CARD = "README.md"


def find_licence(folder: Path) -> str | None:
    """The licence, such as "apache-2.0", in the front matter of the model card; None if it names none."""
    import yaml

    try:
        lines = (folder / CARD).read_text(encoding="utf-8").splitlines()
        if not lines or lines[0] != "---" or "---" not in lines[1:]:
            return None
        card = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    licence = card.get("license") if isinstance(card, dict) else None
    return licence if isinstance(licence, str) else None


def write_licence(folder: Path, licence: str | None) -> None:
    """Write the card; nothing when the licence is not known."""
    if licence:
        import yaml

        card = yaml.safe_dump({"license": licence})
        (folder / CARD).write_text(f"---\n{card}---\n", encoding="utf-8")
