"""Word lists of the practice sets: everyday words, chosen by hand for this generator."""

from __future__ import annotations

ANIMALS = (
    "ant bee mouse frog crab duck cat fox goat dog wolf sheep pig deer bear horse cow camel "
    "giraffe elephant whale"
).split()
"""From small to large: the order is the gold of the size comparisons."""
FRUITS = "apple pear plum peach cherry grape lemon orange banana melon fig kiwi".split()
TOOLS = "hammer saw drill wrench chisel screwdriver file shovel rake axe".split()
CLOTHES = "hat coat scarf glove sock shirt skirt jacket belt shoe".split()
FURNITURE = "table chair bed sofa desk shelf lamp bench stool wardrobe".split()
COLOURS = "red blue green yellow black white brown purple pink grey".split()
CATEGORIES = {
    "animal": ANIMALS,
    "fruit": FRUITS,
    "tool": TOOLS,
    "piece of clothing": CLOTHES,
    "piece of furniture": FURNITURE,
    "colour": COLOURS,
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ANTONYMS = [
    pair.split("/")
    for pair in (
        "hot/cold big/small fast/slow high/low open/closed early/late full/empty happy/sad "
        "light/dark loud/quiet near/far new/old rich/poor soft/hard strong/weak thick/thin "
        "wet/dry wide/narrow young/old true/false first/last inside/outside above/below "
        "begin/end buy/sell give/take win/lose push/pull rise/fall day/night friend/enemy "
        "love/hate peace/war question/answer question/answer safe/dangerous simple/complex"
    ).split()
]
NOUNS = (
    "book house tree river city garden window door paper letter story road bridge boat ship "
    "train plane field forest mountain valley lake island cloud storm flower leaf stone clock "
    "mirror basket bottle cup plate spoon kitchen market school teacher student doctor farmer "
    "singer painter writer neighbour friend child sister brother mother father king queen"
).split()
IRREGULAR = {
    "child": "children",
    "mouse": "mice",
    "wolf": "wolves",
    "sheep": "sheep",
    "deer": "deer",
    "leaf": "leaves",
    "shelf": "shelves",
    "scarf": "scarves",
    "story": "stories",
    "city": "cities",
    "cherry": "cherries",
    "peach": "peaches",
    "fox": "foxes",
    "bench": "benches",
    "wrench": "wrenches",
}
VERBS = "sees likes finds paints carries watches draws sells opens cleans hears moves".split()
GOOD = "lovely warm bright kind funny charming fresh delicious gentle wonderful".split()
BAD = "awful boring cold dirty broken noisy bitter rude dull terrible".split()
NAMES = "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Karla Leo Mira Nils Olga Paul".split()


def plural(word: str) -> str:
    """The plural of a listed noun."""
    return IRREGULAR.get(word, word + "s")


def spelled(n: int) -> str:
    """A number from 0 to 999 in words, with a hyphen and without "and"."""
    if n < 20:
        return NUMBERS[n]
    if n < 100:
        tens = TENS[n // 10 - 2]
        return tens if n % 10 == 0 else f"{tens}-{NUMBERS[n % 10]}"
    head = f"{NUMBERS[n // 100]} hundred"
    return head if n % 100 == 0 else f"{head} {spelled(n % 100)}"
