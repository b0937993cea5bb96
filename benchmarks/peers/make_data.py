"""Writes the 2,000 questions that every peer answers."""

import json
from pathlib import Path

with open(Path(__file__).with_name("tiny.jsonl"), "w", encoding="utf-8") as file:
    for number in range(2000):
        question = f"Question {number}: what is 2 + 2? Finish with ANSWER: <number>."
        peers = {"id": number, "input": question, "target": "4"}
        ours = {"question": question, "answer": "4"}  # heartloop's names for the same
        file.write(json.dumps(peers | ours) + "\n")
