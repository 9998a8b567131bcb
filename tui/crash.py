"""What happens when the program itself is wrong: a redacted file, and one sentence."""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from pathlib import Path

from core.workspace.home import find_workspace
from tunery.files import write_text_whole
from tunery.version import __version__

_SECRETS = re.compile(
    r"(?i)\b(?:hf_|sk-|ghp_|gho_|github_pat_|xox[abp]-|AKIA)[A-Za-z0-9_\-]{8,}"
    r"|(?<=bearer )\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?:(?<=token=)|(?<=api_key=)|(?<=password=)|(?<=secret=))[^\s&'\"]+"
)


def write_crash(error: BaseException) -> str:
    """Write the traceback, without values of variables, into the workspace; return a sentence for people."""
    text = redact("".join(traceback.format_exception(error)))
    header = f"tunery {__version__}, python {sys.version.split()[0]}, {' '.join(sys.argv[1:2])}\n\n"
    kind = type(error).__name__
    try:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path = find_workspace().root / "crashes" / name
        write_text_whole(path, header + text)
        where = f"the details, with secrets removed, are in {path}"
    except OSError as problem:
        where = f"the details could not be written ({problem})"
    what = " ".join(redact(str(error)).split())[:200]
    return f"something is wrong inside Tunery ({kind}: {what}); {where}. Running jobs are not touched."


def redact(text: str) -> str:
    """Remove what looks like a secret, and the home folder's name."""
    home = str(Path.home())
    if len(home) > 1:
        text = text.replace(home, "~")
    return _SECRETS.sub("[removed]", text)
