"""What the words did to the answer: pure functions over texts, no models and no calls."""
