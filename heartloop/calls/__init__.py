"""Everything around an attempt: journal, sharing, retry, limits, budget behind ``Client.ask``."""

from heartloop.calls.breaker import Patience
from heartloop.calls.client import Client, Stats
from heartloop.calls.journal import Journal, journal_records
from heartloop.calls.keys import call_key, derive_seed
from heartloop.calls.lane import LaneStats
from heartloop.calls.ledger import Caps, Ledger
from heartloop.calls.limits import Limits
from heartloop.calls.prices import Price, load_prices, price_of
from heartloop.calls.records import CALL_FIELDS
from heartloop.calls.retry import Retry

__all__ = [
    "CALL_FIELDS",
    "Caps",
    "Client",
    "Journal",
    "LaneStats",
    "Ledger",
    "Limits",
    "Patience",
    "Price",
    "Retry",
    "Stats",
    "call_key",
    "derive_seed",
    "journal_records",
    "load_prices",
    "price_of",
]
