"""HTTP: the OpenAI-compatible routes and the health checks."""
