"""An OpenAI-compatible server in front of any model heartloop can reach: see docs/serve.md."""
