"""Redaction of rows; what is found, and how, is `serve.privacy`."""

from core.data.privacy.redactor import Redactor

__all__ = ["Redactor"]
