"""Find the stimulus worth using: a race of arms on paired questions with a held-out estimate."""
