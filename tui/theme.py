"""The colours of the app. Text on any ground has a contrast of at least 4.5 to 1."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tunery",
    primary="#56b6c2",
    secondary="#7aa2f7",
    accent="#e5c07b",
    foreground="#d7dde6",
    background="#0e1218",
    surface="#131922",
    panel="#1c2430",
    success="#98c379",
    warning="#e5c07b",
    error="#f0717b",
    dark=True,
    variables={
        "border": "#3a4657",
        "border-blurred": "#2b3543",
        "block-cursor-background": "#56b6c2",
        "block-cursor-foreground": "#0e1218",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#243040",
        "block-cursor-blurred-foreground": "#d7dde6",
        "footer-background": "#1c2430",
        "footer-item-background": "#1c2430",
        "footer-description-background": "#1c2430",
        "footer-key-background": "#1c2430",
        "footer-key-foreground": "#e5c07b",
        "footer-description-foreground": "#c3ccd9",
        "scrollbar": "#2b3543",
        "scrollbar-background": "#131922",
        "scrollbar-corner-color": "#131922",
        "text-muted": "#93a1b5",
    },
)

# A state's colour, as a theme variable; the symbol says the same without colour.
STATE_COLOURS = {
    "queued": "$text-muted",
    "starting": "$primary",
    "running": "$primary",
    "stopping": "$warning",
    "stopped": "$warning",
    "done": "$success",
    "failed": "$error",
    "lost": "$error",
    "waiting": "$text-muted",
    "skipped": "$success",
}
