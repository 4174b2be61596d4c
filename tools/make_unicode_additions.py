"""Writes tandem/text/unicode_additions.h: where `tokenizers` knows another Unicode version than the libraries of a system.
Its regular expressions are newer (16): the characters whose general category differs from Unicode 14, the oldest that a
supported system's PCRE2 and utf8proc know. Its digits and lower case are newer still, its normal forms, marks and punctuation
older (9 and before): the characters that these treat otherwise.

Run with Python 3.11, whose unicodedata is Unicode 14, and with `tokenizers` installed:
    python tools/make_unicode_additions.py > tandem/text/unicode_additions.h
"""

import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
)
# Old characters by category and UTF-8 length. Letters have no case partner that a pattern might name.
STAND_INS = {
    "Lu": {2: 0x0187, 3: 0xA640, 4: 0x10400},
    "Ll": {2: 0x0221, 3: 0x1E9F, 4: 0x10428},
    "Lm": {2: 0x02BC, 3: 0x1D2C, 4: 0x16F93},
    "Lo": {2: 0x01BB, 3: 0xA000, 4: 0x10000},
    "Mn": {2: 0x0300, 3: 0x20D0, 4: 0x1D167},
    "Mc": {3: 0x0903, 4: 0x11000},
    "Nd": {2: 0x0660, 3: 0x0966, 4: 0x104A0},
    "Nl": {3: 0x2160, 4: 0x10140},
    "No": {2: 0x00B2, 3: 0x2460, 4: 0x10107},
    "Po": {2: 0x00A7, 3: 0x2020, 4: 0x10100},
    "Pd": {3: 0x2010, 4: 0x10EAD},
    "Sc": {2: 0x00A2, 3: 0x20A0, 4: 0x1E2FF},
    "Sk": {2: 0x02C2, 3: 0x309B, 4: 0x1F3FB},
    "Sm": {2: 0x00AC, 3: 0x2200, 4: 0x1D6C1},
    "So": {2: 0x00A9, 3: 0x2190, 4: 0x1D000},
    "Cf": {3: 0x2060, 4: 0x1D173},
}
HAN = 0x20000
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matches(pattern):
    """All characters that `pattern` matches in Oniguruma."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = set()
    for start in range(0, len(POINTS), 20000):
        text = "".join(map(chr, POINTS[start : start + 20000]))
        for piece, _ in split.pre_tokenize_str(text):
            found.update(map(ord, piece))
    return found


def stand_in(point, category, han):
    if point in han:
        return HAN
    return STAND_INS[category][len(chr(point).encode())]


def additions():
    """Sorted (point, stand-in)."""
    han = matches(r"\p{Han}")
    found = []
    for category in CATEGORIES:
        for point in matches(rf"\p{{{category}}}"):
            if unicodedata.category(chr(point)) != category:
                found.append((point, stand_in(point, category, han)))
    return sorted(found)


def inert():
    """Characters whose combining class or decomposition came after the Unicode version of `tokenizers`' normal forms."""
    # U+11930 is the second half of the one composition that Unicode 10 to 14 added.
    found = {0x11930}
    for form in ("NFD", "NFKD"):
        theirs = getattr(normalizers, form)()
        for point in POINTS:
            text = chr(point)
            probes = [text]
            if unicodedata.combining(text):
                probes += ["a" + text + "\u0334", "a\u0345" + text, "a\u0301" + text, "a" + text + "\u0323"]
            if any(theirs.normalize_str(p) != unicodedata.normalize(form, p) for p in probes):
                found.add(point)
    return found


def disagreement(matched, category, added):
    """Characters past ASCII that are either `matched`, asked about each alone, or of `category` (its first letter) and not
    `added`."""
    theirs = {point for point in POINTS if matched(chr(point))}
    ours = {point for point in POINTS if unicodedata.category(chr(point))[0] == category and point not in added}
    return {point for point in theirs ^ ours if point >= 0x80}


def is_stripped(text):
    return normalizers.StripAccents().normalize_str(text) == ""


def is_split_off(text):
    return pre_tokenizers.Punctuation("removed").pre_tokenize_str(text) == []


def is_digit(text):
    return len(pre_tokenizers.Digits(True).pre_tokenize_str("a" + text + "a")) == 3


def lower():
    """(upper case, lower case) that Unicode 14 does not have."""
    theirs = normalizers.Lowercase()
    pairs = ((point, theirs.normalize_str(chr(point))) for point in POINTS)
    return [(point, ord(text)) for point, text in pairs if text != chr(point).lower()]


def ranges(pairs):
    runs = []
    for point, known in pairs:
        if runs and runs[-1][1] == point - 1 and runs[-1][2] == known:
            runs[-1][1] = point
        else:
            runs.append([point, point, known])
    return runs


def print_table(name, what, points):
    print(f"/// Sorted and disjoint: characters that {what}.")
    print(f"inline constexpr CharacterRange k{name}[] = {{")
    for first, last, _ in ranges([(point, 0) for point in sorted(points)]):
        print(f"    {{0x{first:05X}, 0x{last:05X}}},")
    print("};\n")


def main():
    assert unicodedata.unidata_version == "14.0.0", "run with Python 3.11"
    # U+180E is a format character, and yet PCRE2 counts it as horizontal white space.
    pairs = sorted(additions() + [(0x180E, STAND_INS["Cf"][3])])
    print("// Characters that Unicode 15 and 16 added or changed. Written by tools/make_unicode_additions.py; used by unicode.cc.")
    print("#pragma once\n\nnamespace tandem::text {\n")
    print("/// Characters first … last behave as `stands_for` does in every older version.")
    print("struct UnicodeAddition {\n  char32_t first, last, stands_for;\n};\n")
    print("/// Sorted and disjoint.\ninline constexpr UnicodeAddition kUnicodeAdditions[] = {")
    for first, last, known in ranges(pairs):
        print(f"    {{0x{first:05X}, 0x{last:05X}, 0x{known:05X}}},")
    print("};\n\n/// Characters first … last.\nstruct CharacterRange {\n  char32_t first, last;\n};\n")
    print_table("LaterNormalized", "combine, decompose or compose only since Unicode 10 to 14", inert())
    added = {point for point, _ in pairs}
    print_table("MarkChanges", "are marks in Unicode 9 and not in 14, or the reverse", disagreement(is_stripped, "M", added))
    print_table("PunctuationChanges", "are punctuation in one only", disagreement(is_split_off, "P", added))
    print_table("NumberChanges", "are numbers in Unicode 17 and not in 14", disagreement(is_digit, "N", set()))
    print("/// Lower case since Unicode 15, sorted.\nstruct LowerCase {\n  char32_t upper, lower;\n};")
    print("inline constexpr LowerCase kLowerAdditions[] = {")
    for upper, low in lower():
        print(f"    {{0x{upper:05X}, 0x{low:05X}}},")
    print("};\n")
    print("}  // namespace tandem::text")


if __name__ == "__main__":
    main()
