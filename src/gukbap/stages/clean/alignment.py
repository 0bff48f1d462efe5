"""How close a text comes to holding another one: approximate substring search.

Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic programming" (1999), in
Hyyrö's form (2003). Python's integers are as wide as the pattern, so a step of the text is a dozen
operations whatever the pattern's length.
"""

from __future__ import annotations


def substring_distance(pattern: str, text: str) -> int:
    """The least Levenshtein distance of a pattern to any substring of a text, the empty one included."""
    if not pattern:
        return 0
    places: dict[str, int] = {}
    for place, character in enumerate(pattern):
        places[character] = places.get(character, 0) | 1 << place
    full, last = (1 << len(pattern)) - 1, 1 << (len(pattern) - 1)
    rises, falls = full, 0
    distance = best = len(pattern)
    for character in text:
        equal = places.get(character, 0)
        vertical = equal | falls
        horizontal = (((equal & rises) + rises) ^ rises) | equal
        up = falls | ~(horizontal | rises) & full
        down = rises & horizontal
        if up & last:
            distance += 1
        elif down & last:
            distance -= 1
            best = min(best, distance)
        up, down = up << 1, down << 1
        rises = (down | ~(vertical | up)) & full
        falls = up & vertical & full
    return best


def substring_similarity(pattern: str, text: str) -> float:
    """1 − distance / length of the pattern: 1 where the text holds it, 0 where nothing of it is there."""
    return 1 - substring_distance(pattern, text) / max(1, len(pattern))
