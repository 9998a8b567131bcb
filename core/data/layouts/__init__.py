"""What the rows of a file are, and how each kind of row becomes an example.

The first row decides by the keys it has and their types, unless the recipe's `format`
does, and every other row must follow it. A row that cannot be read is a Problem.
"""

from core.data.layouts.convert import group_of, ignored_keys, to_example
from core.data.layouts.detect import detect_layout
from core.data.layouts.earlier import EARLIER, EARLIER_ROWS
from core.data.layouts.layout import Layout
from core.data.layouts.table import LAYOUTS

__all__ = [
    "EARLIER_ROWS",
    "LAYOUTS",
    "Layout",
    "detect_layout",
    "group_of",
    "ignored_keys",
    "layout_named",
    "to_example",
]


def layout_named(name: str) -> Layout:
    """A layout by its name: one that recipes can name, or that of an earlier run's rows."""
    return EARLIER_ROWS if name == EARLIER else LAYOUTS[name]
