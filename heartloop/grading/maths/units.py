"""Units: what a word behind a number means, and how much of its dimension it is."""

from __future__ import annotations

import re
from fractions import Fraction

_F = Fraction
# name → (factor to the base unit of its dimension, dimension as exponents)
_BASE: dict[str, tuple[Fraction, tuple[tuple[str, int], ...]]] = {}


def _add(names: str, factor: Fraction | int | str, **dimension: int) -> None:
    for name in names.split():
        _BASE[name] = (Fraction(factor), tuple(sorted(dimension.items())))


_add("m meter meters metre metres", 1, length=1)
_add("in inch inches", "0.0254", length=1)
_add("ft foot feet", "0.3048", length=1)
_add("yd yard yards", "0.9144", length=1)
_add("mi mile miles", "1609.344", length=1)
_add("s sec secs second seconds", 1, time=1)
_add("min mins minute minutes", 60, time=1)
_add("h hr hrs hour hours", 3600, time=1)
_add("day days", 86400, time=1)
_add("week weeks", 604800, time=1)
_add("year years yr yrs", 31557600, time=1)
_add("g gram grams", "0.001", mass=1)
_add("ton tons tonne tonnes", 1000, mass=1)
_add("lb lbs pound pounds", "0.45359237", mass=1)
_add("oz ounce ounces", "0.028349523125", mass=1)
_add("L l liter liters litre litres", "0.001", length=3)
_add("gallon gallons gal", "0.003785411784", length=3)
_add("N newton newtons", 1, mass=1, length=1, time=-2)
_add("J joule joules", 1, mass=1, length=2, time=-2)
_add("W watt watts", 1, mass=1, length=2, time=-3)
_add("Pa pascal pascals", 1, mass=1, length=-1, time=-2)
_add("bar", 100000, mass=1, length=-1, time=-2)
_add("atm", 101325, mass=1, length=-1, time=-2)
_add("eV", "1.602176634e-19", mass=1, length=2, time=-2)
_add("cal", "4.184", mass=1, length=2, time=-2)
_add("Hz hertz", 1, time=-1)
_add("A amp amps ampere amperes", 1, current=1)
_add("C coulomb coulombs", 1, current=1, time=1)
_add("V volt volts", 1, mass=1, length=2, time=-3, current=-1)
_add("Ω Omega ohm ohms", 1, mass=1, length=2, time=-3, current=-2)
_add("F farad farads", 1, mass=-1, length=-2, time=4, current=2)
_add("T tesla teslas", 1, mass=1, time=-2, current=-1)
_add("Wb weber", 1, mass=1, length=2, time=-2, current=-1)
_add("H henry", 1, mass=1, length=2, time=-2, current=-2)
_add("K kelvin kelvins", 1, temperature=1)
_add("mol mole moles", 1, amount=1)
_add("rad radian radians", 1)
_add("dollar dollars usd", 100, money=1)
_add("cent cents", 1, money=1)
_add("mph", "0.44704", length=1, time=-1)
_add("mpg", _F(1609344, 3785411784) * 10**6, length=-2)
_add("kmh kmph kph", _F(1000, 3600), length=1, time=-1)
_add("AU", "149597870700", length=1)
_add("ly", "9460730472580800", length=1)
_add("pc", "30856775814913673", length=1)
_add("d", 86400, time=1)
_add("celsius Celsius", 1, celsius=1)
_add("fahrenheit Fahrenheit", 1, fahrenheit=1)
_add("B byte bytes", 8, information=1)
_add("bit bits", 1, information=1)
_add("bps", 1, information=1, time=-1)
_add("fps", 1, time=-1)
_add("rpm bpm", _F(1, 60), time=-1)
_add("Wh", 3600, mass=1, length=2, time=-2)
_add("hPa mbar", 100, mass=1, length=-1, time=-2)
_add("Torr torr mmHg", _F(101325, 760), mass=1, length=-1, time=-2)
_add("psi", "6894.757", mass=1, length=-1, time=-2)
_add("Bq becquerel", 1, time=-1)
_add("lumen lumens lm candela cd", 1, light=1)
_add("lux lx", 1, light=1, length=-2)
_add("ha hectare hectares", 10000, length=2)
_add("acre acres", "4046.8564224", length=2)
_add("knot knots", _F(1852, 3600), length=1, time=-1)
_add("pint pints", "0.000473176473", length=3)
_add("fortnight fortnights", 1209600, time=1)
_add("decade decades", 315576000, time=1)
_add("century centuries", 3155760000, time=1)
_add("euro euros EUR", 1, euro=1)
_add("angstrom", "1e-10", length=1)

_PREFIX = {
    "k": _F(1000), "c": _F(1, 100), "m": _F(1, 1000), "d": _F(1, 10), "M": _F(10**6),
    "G": _F(10**9),
    "T": _F(10**12), "u": _F(1, 10**6), "μ": _F(1, 10**6), "n": _F(1, 10**9), "p": _F(1, 10**12),
    "f": _F(1, 10**15), "kilo": _F(1000), "centi": _F(1, 100), "milli": _F(1, 1000),
    "mega": _F(10**6), "giga": _F(10**9), "micro": _F(1, 10**6), "nano": _F(1, 10**9),
}  # fmt: skip
_PREFIXABLE = {
    "m", "s", "g", "N", "J", "W", "Pa", "eV", "Hz", "A", "C", "V", "Omega", "ohm", "F", "T", "H",
    "K", "mol", "L", "l", "bar", "cal", "pc", "meter", "meters", "metre", "metres", "gram", "grams",
    "second", "seconds", "watt", "watts", "joule", "joules", "liter", "liters", "litre", "litres",
    "newton", "newtons", "volt", "volts", "pascal", "pascals", "hertz", "Wh", "bps", "B",
}  # fmt: skip
_TOKEN = re.compile(r"([A-Za-zΩμ]+)\s*(?:\^?\s*\{?(-?\d+)\}?)?|([*/·])|(\S)")


def parse_unit(text: str) -> tuple[Fraction, tuple[tuple[str, int], ...]] | None:
    """Factor and dimension of a unit such as ``km/h``, ``kg m^2`` or ``square inches``.

    Returns:
        None where any part is no known unit.
    """
    text = re.sub(r"\\(?:cdot|times)(?![A-Za-z])|·|\u22c5", "*", text)
    text = re.sub(r"[\\(){}]", " ", text.strip().strip(".")).replace("^ ", "^")
    text = re.sub(r"\bper\b", "/", text)
    text = re.sub(r"\bmiles? / hour\b", "mph", text)
    power_next = 0
    factor = Fraction(1)
    dimension: dict[str, int] = {}
    sign = 1
    seen = False
    for match in _TOKEN.finditer(text):
        word, exponent, operator, other = match.groups()
        if other is not None:
            return None
        if operator is not None:
            sign = -1 if operator == "/" else sign
            continue
        if word.lower() in ("square", "sq"):
            power_next = 2
            continue
        if word.lower() == "cubic":
            power_next = 3
            continue
        if word.lower() in ("units", "unit"):
            return None
        known = _one(word)
        if known is None:
            return None
        power = sign * (int(exponent) if exponent else (power_next or 1))
        if abs(power) > 9:
            return None
        power_next = 0
        seen = True
        factor *= known[0] ** power
        for name, count in known[1]:
            dimension[name] = dimension.get(name, 0) + count * power
    if not seen:
        return None
    return factor, tuple(sorted((name, count) for name, count in dimension.items() if count))


def known(word: str) -> bool:
    """Whether a run of letters is the symbol or name of a unit, in its own case."""
    return word in _BASE or word in ("mph", "usd", "USD") or _prefixed(word) is not None


def _one(word: str) -> tuple[Fraction, tuple[tuple[str, int], ...]] | None:
    for spelling in (word, word.lower()):
        if spelling in _BASE:
            return _BASE[spelling]
    return _prefixed(word)


def _prefixed(word: str) -> tuple[Fraction, tuple[tuple[str, int], ...]] | None:
    for length in (1, 4, 5):
        prefix, rest = word[:length], word[length:]
        if prefix in _PREFIX and rest in _PREFIXABLE:
            factor, dimension = _BASE[rest]
            return factor * _PREFIX[prefix], dimension
    return None
