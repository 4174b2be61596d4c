"""Ids, text and streamed text of tandem's tokenizer equal those of `tokenizers`: on vocabularies that npm packages carry, on
tokenizers trained here, and on every component alone."""

import json
import random

import pytest
from npm_vocabularies import LLAMA3_PATTERN, REAL
from text_samples import EMOJI, WORDS, samples
from tokenizer_driver import ask
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CL100K_POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)


def corpus():
    return samples(4000, seed=11) + WORDS * 20 + EMOJI * 20


def compare(reference, folder, texts, seed=5, random_ids=True):
    """Encodes, decodes and streams every text and random ids; returns how many answers were compared."""
    reference.save(str(folder / "tokenizer.json"))
    rng = random.Random(seed)
    size = reference.get_vocab_size() + 3
    encoded = [e.ids for e in reference.encode_batch(texts)]
    plain = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    id_lists = encoded + [[rng.randrange(size) for _ in range(rng.randint(1, 24))] for _ in texts if random_ids]
    skips = [rng.random() < 0.5 for _ in id_lists]
    decoded = [reference.decode(ids, skip_special_tokens=skip) for ids, skip in zip(id_lists, skips)]
    questions = [{"encode": t} for t in texts] + [{"encode": t, "special": False} for t in texts]
    questions += [{"decode": ids, "skip": skip} for ids, skip in zip(id_lists, skips)]
    questions += [{"stream": ids, "skip": skip} for ids, skip in zip(id_lists, skips)]
    answers = ask(folder, questions)
    expected = encoded + plain + decoded
    wrong = [(q, a, e) for q, a, e in zip(questions, answers, expected) if a != e]
    assert not wrong, f"{len(wrong)} of {len(expected)} differ; first (question, ours, theirs): {wrong[:3]}"
    streamed = answers[len(expected) :]
    joined = [i for i, pieces in enumerate(streamed) if "".join(pieces) != decoded[i]]
    assert not joined, f"{len(joined)} streams differ; first: {streamed[joined[0]]} for {decoded[joined[0]]!r}"
    return len(expected) + len(streamed)


@pytest.mark.parametrize("name", REAL)
def test_real_vocabularies_agree(name, tmp_path):
    reference = REAL[name]()
    specials = [t.content for t in list(reference.get_added_tokens_decoder().values())[:40]]
    texts = samples(4500, seed=sum(name.encode()), specials=specials)
    assert compare(reference, tmp_path, texts) >= 4500 * 6


def byte_level(pattern, normalizer=None, vocab_size=1500):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, True, False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    # Qwen's marks for thinking and tools are added tokens that are not special.
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>")])
    return tokenizer


def sentencepiece(normalizer, pre_tokenizer, decoder, vocab_size=2000, **options):
    options = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True} | options
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] * options["byte_fallback"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, limit_alphabet=300, max_token_length=16, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    # Training marks the byte tokens special; in real files only these three are.
    tokenizer = Tokenizer.from_str(json.dumps(keep_special(json.loads(tokenizer.to_str()), {"<unk>", "<s>", "</s>"})))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A <s> $B", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return tokenizer


def keep_special(file, contents):
    file["added_tokens"] = [t for t in file["added_tokens"] if t["content"] in contents]
    return file


LLAMA_DECODER = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
LLAMA_NORMALIZER = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
TRAINED = {
    "gpt2_pattern": lambda: byte_level(GPT2_PATTERN),
    "llama3_pattern": lambda: byte_level(LLAMA3_PATTERN),
    "qwen2_pattern_nfc": lambda: byte_level(QWEN2_PATTERN, normalizers.NFC()),
    "o200k_pattern": lambda: byte_level(O200K_PATTERN),
    "cl100k_possessive": lambda: byte_level(CL100K_POSSESSIVE),
    "llama2_style": lambda: sentencepiece(LLAMA_NORMALIZER, None, LLAMA_DECODER),
    "metaspace_always": lambda: sentencepiece(
        normalizers.NFKC(), pre_tokenizers.Metaspace("▁", "always", True), decoders.Metaspace("▁", "always", True)
    ),
    "metaspace_first": lambda: sentencepiece(
        None, pre_tokenizers.Metaspace("▁", "first", False), LLAMA_DECODER, fuse_unk=False
    ),
    "metaspace_never_without_bytes": lambda: sentencepiece(
        normalizers.NFD(),
        pre_tokenizers.Metaspace("▁", "never", True),
        decoders.Metaspace("▁", "never", True),
        byte_fallback=False,
    ),
    "unknown_not_fused": lambda: sentencepiece(
        normalizers.NFKD(), None, LLAMA_DECODER, byte_fallback=False, fuse_unk=False
    ),
    "no_unknown_token": lambda: sentencepiece(LLAMA_NORMALIZER, None, LLAMA_DECODER, byte_fallback=False, unk_token=None),
}


@pytest.mark.parametrize("name", TRAINED)
def test_trained_tokenizers_agree(name, tmp_path):
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<s>", "</s>", "<unk>", "<0x41>"]
    compare(TRAINED[name](), tmp_path, samples(1000, seed=len(name), specials=specials))


def characters(pre_tokenizer=None, normalizer=None, decoder=None):
    """A model of single characters: what its ids show is the work of the other components."""
    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    if decoder:
        tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(vocab_size=3000, special_tokens=["?"], limit_alphabet=2000, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def split(pattern, behavior, invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
COMPONENTS = {
    **{f"split_regex_{b}": {"pre_tokenizer": split(Regex(r"\s+|\d"), b)} for b in BEHAVIORS},
    **{f"split_string_{b}": {"pre_tokenizer": split("a", b)} for b in BEHAVIORS},
    **{f"split_inverted_{b}": {"pre_tokenizer": split(Regex(r"\w+"), b, True)} for b in BEHAVIORS},
    **{f"punctuation_{b}": {"pre_tokenizer": pre_tokenizers.Punctuation(b)} for b in BEHAVIORS},
    "split_may_be_empty": {"pre_tokenizer": split(Regex(r"a*"), "isolated")},
    "split_interval_plus": {"pre_tokenizer": split(Regex(r"[a-z]{1,3}+|\p{L}{2}?\p{N}"), "isolated")},
    "split_dotall": {"pre_tokenizer": split(Regex(r"(?m:a.b)|^.|.$"), "isolated")},
    "split_hexadecimal": {"pre_tokenizer": split(Regex(r"\h+|\H{,2}\z"), "isolated")},
    "split_boundaries": {"pre_tokenizer": split(Regex(r"\b|\B\W"), "isolated")},
    "split_nested_class": {"pre_tokenizer": split(Regex(r"[a-f[xyz]\s]+|[^\w\s]"), "isolated")},
    "split_marks": {"pre_tokenizer": split(Regex(r"[\p{L}\p{M}]+|[\p{P}\p{S}]+|\p{Han}"), "isolated")},
    "byte_level": {"pre_tokenizer": pre_tokenizers.ByteLevel(True), "decoder": decoders.ByteLevel()},
    "digits": {"pre_tokenizer": pre_tokenizers.Digits(False)},
    "digits_individual": {"pre_tokenizer": pre_tokenizers.Digits(True)},
    "whitespace": {"pre_tokenizer": pre_tokenizers.Whitespace()},
    "whitespace_split": {"pre_tokenizer": pre_tokenizers.WhitespaceSplit()},
    "split_then_bytes": {
        "pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(True, True, True)])
    },
    "nfc": {"normalizer": normalizers.NFC()},
    "nfd": {"normalizer": normalizers.NFD()},
    "nfkc": {"normalizer": normalizers.NFKC()},
    "nfkd": {"normalizer": normalizers.NFKD()},
    "lowercase": {"normalizer": normalizers.Lowercase()},
    "strip_both": {"normalizer": normalizers.Strip(True, True)},
    "strip_left": {"normalizer": normalizers.Strip(True, False)},
    "strip_accents": {"normalizer": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])},
    "nmt": {"normalizer": normalizers.Nmt()},
    "replace_regex": {"normalizer": normalizers.Replace(Regex(r"\s+"), "_")},
    "replace_string": {"normalizer": normalizers.Replace("ll", "L")},
    "byte_level_normalizer": {"normalizer": normalizers.ByteLevel(), "decoder": decoders.ByteLevel()},
    "decode_strip": {"decoder": decoders.Strip("a", 1, 0)},
    "decode_strip_end": {"decoder": decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 0, 2)])},
    "decode_replace_regex": {"decoder": decoders.Sequence([decoders.Replace(Regex("[aeiou]"), "*"), decoders.Fuse()])},
    "decode_replace_fused": {
        "decoder": decoders.Sequence([decoders.Fuse(), decoders.Replace("lo", "0"), decoders.Strip("H", 1, 0)])
    },
    "decode_bpe_suffix": {"decoder": decoders.BPEDecoder("o")},
    "decode_wordpiece": {"decoder": decoders.WordPiece("e", True)},
}
# Of these, `tokenizers` panics on an empty token or list.
NEVER_EMPTY = {"decode_strip_end", "decode_bpe_suffix"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_components_agree(name, tmp_path):
    texts = samples(500, seed=len(name))
    if name in NEVER_EMPTY:
        texts = ["ab" + t for t in texts]
    compare(characters(**COMPONENTS[name]), tmp_path, texts, random_ids=name not in NEVER_EMPTY)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_every_character_is_normalized_alike(form, tmp_path):
    tokenizer = Tokenizer(models.BPE(vocab={f"<0x{i:02X}>": i for i in range(256)}, merges=[], byte_fallback=True))
    tokenizer.normalizer = getattr(normalizers, form)()
    check_every_character(tokenizer, tmp_path)


@pytest.mark.parametrize("pattern", [r"\p{L}", r"\p{N}", r"\s", r"\p{M}", r"\p{P}", r"\p{S}", r"\w", r"\d", r"\p{Lu}"])
def test_every_character_has_the_same_class(pattern, tmp_path):
    tokenizer = Tokenizer(models.BPE(vocab={"?": 0, "x": 1}, merges=[], unk_token="?"))
    tokenizer.normalizer = normalizers.Replace(Regex(pattern), "x")
    check_every_character(tokenizer, tmp_path)


SPLITTERS = {
    "digits": pre_tokenizers.Digits(True),
    "punctuation": pre_tokenizers.Punctuation(),
    "whitespace": pre_tokenizers.Whitespace(),
    "whitespace_split": pre_tokenizers.WhitespaceSplit(),
}


@pytest.mark.parametrize("name", SPLITTERS)
def test_every_character_is_split_alike(name, tmp_path):
    tokenizer = Tokenizer(models.BPE(vocab={"?": 0, "x": 1}, merges=[], unk_token="?", fuse_unk=True))
    tokenizer.pre_tokenizer = SPLITTERS[name]
    # Unknown characters of one piece are one id: one, two or three tell what stands between two unknown letters.
    check_every_character(tokenizer, tmp_path, before="ø", after="øx")


@pytest.mark.parametrize("name", ["lowercase", "strip_accents", "nmt"])
def test_every_character_is_rewritten_alike(name, tmp_path):
    normalizer = {"lowercase": normalizers.Lowercase(), "strip_accents": normalizers.StripAccents(), "nmt": normalizers.Nmt()}
    tokenizer = Tokenizer(models.BPE(vocab={f"<0x{i:02X}>": i for i in range(256)}, merges=[], byte_fallback=True))
    tokenizer.normalizer = normalizer[name]
    check_every_character(tokenizer, tmp_path)


# Without the inner parts of large uniform blocks: CJK, Hangul, Tangut, private use, and planes that nobody assigned.
PLACES = [
    (0, 0x3500), (0x4D00, 0x4F00), (0x9F00, 0xAD00), (0xD700, 0xD800), (0xE000, 0xE100), (0xF800, 0x14700), (0x16000, 0x17100),
    (0x18700, 0x18E00), (0x1A000, 0x20100), (0x2A600, 0x2EF00), (0x2F700, 0x2FB00), (0x31300, 0x32400), (0xE0000, 0xE0200),
]  # fmt: skip


def check_every_character(reference, folder, before="", after=""):
    points = [c for first, last in PLACES for c in range(first, last)]
    texts = []
    for start in range(0, len(points), 64):
        texts.append("".join(before + chr(c) + after for c in points[start : start + 64]))
    reference.save(str(folder / "tokenizer.json"))
    theirs = [e.ids for e in reference.encode_batch(texts)]
    ours = ask(folder, [{"encode": t} for t in texts])
    wrong = [hex(points[i * 64]) for i in range(len(texts)) if ours[i] != theirs[i]]
    assert not wrong, f"{len(wrong)} blocks of 64 characters differ, beginning at {wrong[:10]}"


def flags(*names):
    return {name: True for name in names}


def test_added_tokens_match_alike(tmp_path):
    tokenizer = byte_level(GPT2_PATTERN, normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("ß", "ss")]))
    added = {
        "<mask>": flags("lstrip"), "[SEP]": flags("rstrip"), "<both>": flags("lstrip", "rstrip"), "word": flags("single_word"),
        "Überß": flags("normalized"), "naïve": flags("normalized", "single_word"), "ab": flags("normalized"),
        "abc": flags("normalized"), "abcd": {}, "bcde": {}, "  ": flags("normalized"), "\n\n": {},
    }  # fmt: skip
    tokenizer.add_tokens([AddedToken(t, **({"normalized": False} | f)) for t, f in added.items()])
    tokenizer.add_special_tokens([AddedToken("<Special>", normalized=True), AddedToken("<sp", normalized=False)])
    specials = [*added, "<Special>", "<special>", "<sp", "überss", "ÜBERSS", "ABC", "swordfish", "word.", "_word_"]
    compare(tokenizer, tmp_path, samples(3000, seed=3, specials=specials))


def test_ids_of_added_tokens_are_counted_alike(tmp_path):
    tokenizer = byte_level(GPT2_PATTERN)
    file = json.loads(tokenizer.to_str())
    # An id that the file gets wrong, and one that leaves a gap.
    for token, off in zip(file["added_tokens"][-2:], (5, 9)):
        token["id"] += off
    reference = Tokenizer.from_str(json.dumps(file))
    compare(reference, tmp_path, samples(200, seed=4, specials=["<think>", "</think>"]))


def test_merges_may_be_strings_or_pairs(tmp_path):
    tokenizer = byte_level(LLAMA3_PATTERN)
    texts = samples(200, seed=9)
    compare(tokenizer, tmp_path, texts)
    path = tmp_path / "tokenizer.json"
    file = json.loads(path.read_text())
    pairs = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in file["model"]["merges"]]
    for merges in ([" ".join(p) for p in pairs], [list(p) for p in pairs]):
        file["model"]["merges"] = merges
        path.write_text(json.dumps(file))
        assert ask(tmp_path, [{"encode": t} for t in texts]) == [tokenizer.encode(t).ids for t in texts]


def test_subword_prefix_and_word_suffix_agree(tmp_path):
    tokenizer = Tokenizer(models.BPE(unk_token="?", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["?"], continuing_subword_prefix="##", end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    texts = [t for t in samples(800, seed=21) if tokenizer.encode(t).ids]
    compare(tokenizer, tmp_path, texts)


def test_special_tokens_in_literal_text_are_text(tmp_path):
    tokenizer = byte_level(LLAMA3_PATTERN)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    start, end = (tokenizer.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>"))
    messages = samples(600, seed=8, specials=["<|im_start|>", "<|im_end|>", "<|im_", "end|>", "<think>"])
    questions = []
    for message in messages:
        begin = len("<|im_start|>")
        literal = [[begin, begin + len(message.encode())]]
        questions.append({"encode": f"<|im_start|>{message}<|im_end|>", "literal": literal})
    answers = ask(tmp_path, questions)
    tokenizer.encode_special_tokens = True
    expected = [[start, *tokenizer.encode(m).ids, end] for m in messages]
    assert answers == expected


def test_literal_text_only_suppresses_special_tokens(tmp_path):
    """Around literal text the rest is encoded as if nothing were literal: words run across the border."""
    tokenizer = byte_level(LLAMA3_PATTERN)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = samples(300, seed=13)
    questions = [{"encode": t, "literal": [[0, len(t.encode()) // 2]]} for t in texts]
    assert ask(tmp_path, questions) == [tokenizer.encode(t).ids for t in texts]
