"""Random strings over many scripts, emoji, code, white space and control characters, the same for the same seed."""

import random

RANGES = [
    (0x20, 0x7F), (0xA0, 0x180), (0x180, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x531, 0x590),
    (0x591, 0x600), (0x600, 0x700), (0x900, 0x980), (0x980, 0xA00), (0xB80, 0xC00), (0xE00, 0xE80), (0xF00, 0x1000),
    (0x10A0, 0x1200), (0x1200, 0x1380), (0x1780, 0x1800), (0x1800, 0x18B0), (0x1E00, 0x2000), (0x2000, 0x2070),
    (0x2070, 0x20D0), (0x2100, 0x2400), (0x2460, 0x2600), (0x2600, 0x27C0), (0x3000, 0x3100), (0x3400, 0x3500),
    (0x4E00, 0x9FFF), (0xA640, 0xA700), (0xAC00, 0xD7A4), (0xE000, 0xE010), (0xF900, 0xFB50), (0xFB50, 0xFE00),
    (0xFE00, 0xFE10), (0xFF00, 0xFFF0), (0x10000, 0x10100), (0x10400, 0x10450), (0x1D400, 0x1D800),
    (0x1F300, 0x1F700), (0x1F900, 0x1FA00), (0x20000, 0x20100), (0x2EBF0, 0x2EC00), (0xE0020, 0xE0080),
]  # fmt: skip
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n ", "\u00a0", "\u3000", "\u2028", "\u0085", "\x0b", "\x0c"]
ODD = ["\x00", "\x01", "\x1b[0m", "\x7f", "\u200b", "\u200d", "\u180e", "\ufeff", "\ufffd", "\ufffc", "\u2581", "\U0010ffff"]
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "👍🏽", "1️⃣", "❤️", "🧑🏿‍🚀"]
WORDS = [
    "Hello", "world", "don't", "I'LL", "we've", "they'Re", "naïve", "Straße", "ΑΒΓ", "привет", "мир", "你好", "世界",
    "こんにちは", "カタカナ", "한국어", "العربية", "עברית", "हिन्दी", "ไทย", "ქართული", "አማርኛ", "Việt", "İstanbul", "ﬁn", "e\u0301a\u0323\u0307",
    "3.14159", "1234567890", "٣٤٥", "²³½", "Ⅷ", "x=1", "def f(x):\n    return x**2\n", "for (int i = 0; i < n; ++i) {",
    "\"key\": [1, 2, null]", "<div class='a'>", "https://example.org/a?b=c&d=%20", "C:\\dir\\file.txt", "#include <vector>",
    "!!!", "...", "--", "«quoted»", "$100", "€5,00", "a_b-c", "snake_case", "CamelCase", "~/.cache", "\\n", "'s", "'S", "'ll",
]  # fmt: skip


def samples(count, seed, specials=()):
    """`count` strings, the first ones hand-picked."""
    rng = random.Random(seed)
    texts = ["", " ", "  ", "\n", "a", " a", "a ", " a b  c   d", "\u00e9", "\U0001f600", *specials, *WORDS, *EMOJI]

    def piece():
        kind = rng.random()
        if kind < 0.35:
            return rng.choice(WORDS)
        if kind < 0.6:
            return rng.choice(SPACES) if rng.random() < 0.4 else " "
        if kind < 0.65:
            return rng.choice(ODD)
        if kind < 0.72:
            return rng.choice(EMOJI)
        if kind < 0.78 and specials:
            return rng.choice(specials)
        if kind < 0.82:
            return rng.choice(["a", " ", "\n", "1", "!", "é", "你"]) * rng.randint(1, 40)
        if kind < 0.85:
            points = (rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]) for _ in range(4))
            return "".join(map(chr, points))
        low, high = rng.choice(RANGES)
        return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 8)))

    while len(texts) < count:
        texts.append("".join(piece() for _ in range(rng.randint(1, 14))))
    return texts[:count]
