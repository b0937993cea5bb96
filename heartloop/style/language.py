"""Which language a text is in, as far as the rules of this room need to know: English or not.

A text in another script is told by its letters, one in Latin letters by the commonest short words.
Text that is mostly formulas, names or single words says nothing, and is not guessed at.
"""

from __future__ import annotations

import re
from collections import Counter

_FUNCTION_WORDS = {
    "en": "the of and to in is that it for was with as are this be by on not or from have but they"
    " which you an has at were can if its so will what there we i your my he she his her do does"
    " because would these how when who answer sentence following",
    "de": "der die das und ist nicht ein eine zu den von mit sich auf für dem des ich sie es im"
    " auch wie als an aus bei oder wir wird sind war haben kann",
    "fr": "le la les et est une des du pas que qui dans pour sur au avec ce cette il elle nous vous"
    " je ne son sa sont être ou mais par plus",
    "es": "el la los las y es una un del que en por para con no se su al lo como pero más este esta"
    " son yo muy está ser",
    "it": "il lo la gli le e è una un di che in per con non si del della sono ma come più questo io"
    " nel alla",
    "pt": "o a os as e é uma um de do da que em por para com não se no na mas como mais este são eu"
    " ao",
    "nl": "de het een en is niet van in op te dat voor met zijn die aan er ik je we ze maar als ook"
    " naar",
}
_OF_WORD: dict[str, tuple[str, ...]] = {}
for _name, _list in _FUNCTION_WORDS.items():
    for _word in _list.split():
        _OF_WORD[_word] = (*_OF_WORD.get(_word, ()), _name)

_WORD = re.compile(r"[^\W\d_]+")
_NON_LATIN = re.compile(
    r"[\u0370-\u03ff\u0400-\u052f\u0590-\u06ff\u0900-\u0dff\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff"
    r"\u3400-\u9fff\uac00-\ud7af]"
)
_FORMULA = re.compile(r"\$[^$]*\$|\\\(.*?\\\)|\\\[.*?\\\]|\\[a-zA-Z]+|```.*?```", re.DOTALL)
ENOUGH = 8
"""Words below which a text in Latin letters is in no language that could be told."""


def language(text: str) -> str:
    """``en``, another of the six European codes, ``other`` (another script), or ``""``.

    Empty means that nothing can be told: fewer than eight words, or none that any of the
    languages uses all the time (a list of names, a formula).
    """
    text = text[:4000]
    if not text.isascii() and _NON_LATIN.search(text):
        plain = _FORMULA.sub(" ", text)
        foreign = len(_NON_LATIN.findall(plain))
        letters = sum(len(word) for word in _WORD.findall(plain))
        # One sign of Chinese or Japanese is about a word, so a fifth of the letters is most of it.
        if foreign >= 2 and foreign >= 0.2 * letters:
            return "other"
    words = _WORD.findall(text.lower())
    if len(words) < ENOUGH:
        return ""
    votes: Counter[str] = Counter()
    for word in words:
        for name in _OF_WORD.get(word, ()):
            votes[name] += 1
    if not votes:
        return ""
    (best, most), *rest = votes.most_common(2)
    if most < 2 or (rest and rest[0][1] == most):
        return ""
    return best
