"""Personal data and secrets: where they stand in a text, and what is put in their place."""

from serve.privacy.detector import Detector
from serve.privacy.found import KINDS, Found, Kind
from serve.privacy.placeholders import Placeholders

__all__ = ["KINDS", "Detector", "Found", "Kind", "Placeholders"]
