"""Cards: what may be said, what may be asked and how it is judged, as YAML files."""

from heartloop.cards._parse import read_yaml
from heartloop.cards.find import CardRef, find_card, list_cards
from heartloop.cards.stimulus import StimulusSet, controls_of, load_stimuli, parse_stimuli
from heartloop.cards.task import Hub, Prompt, Source, TaskCard, load_task
from heartloop.cards.verifier import Step, VerifierCard, load_verifier

__all__ = [
    "CardRef",
    "Hub",
    "Prompt",
    "Source",
    "Step",
    "StimulusSet",
    "TaskCard",
    "VerifierCard",
    "controls_of",
    "find_card",
    "list_cards",
    "load_stimuli",
    "load_task",
    "load_verifier",
    "parse_stimuli",
    "read_yaml",
]
