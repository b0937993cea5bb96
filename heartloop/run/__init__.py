"""Plan → runner → traces → verdicts → summary; resume and re-scoring."""
