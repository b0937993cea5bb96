"""Everything around an attempt: journal, sharing, retry, limits, budget behind ``Client.ask``."""
