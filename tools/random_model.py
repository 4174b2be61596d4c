#!/usr/bin/env python3
"""Writes a Hugging Face model folder with random weights and the dimensions of a known model, for tests and benchmarks.

    tools/random_model.py llama-3.2-1b OUT [--dtype bf16|f16|f32] [--seed S] [--layers N] [--set KEY=JSON ...]
                                           [--shard-bytes B] [--no-tokenizer]

Needs numpy alone. Weights are windows of one block of normals (deviation 0.02, so that activations stay finite through any
depth): 7 billion draws would take minutes, and a block of prime length gives no two rows of a matrix alike. Memory: the block,
16 MB to 64 MB, whatever the model. The tokenizer is byte-level without merges: 256 bytes and three special tokens.
"""

import argparse
import hashlib
import json
import math
import pathlib
import struct
import sys

import numpy as np

BLOCK_LENGTH = 8_388_593  # prime
DEVIATION = 0.02
BOS, EOS, END_OF_TURN = 256, 257, 258  # behind the 256 bytes in the tokenizer below

LLAMA3_ROPE = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}


def config(model_type, vocab, hidden, ffn, layers, heads, kv_heads, **more):
    """config.json in the form that most models on the Hub have (before transformers 5)."""
    classes = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
               "qwen3": "Qwen3ForCausalLM", "phi": "PhiForCausalLM"}
    made = {"architectures": [classes[model_type]], "model_type": model_type, "vocab_size": vocab, "hidden_size": hidden,
            "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "bos_token_id": BOS, "eos_token_id": EOS, "tie_word_embeddings": False,
            "hidden_act": "silu"}
    made["layer_norm_eps" if model_type == "phi" else "rms_norm_eps"] = 1e-5
    if model_type == "phi":
        made.update(hidden_act="gelu_new", partial_rotary_factor=0.4, qk_layernorm=False)
    if model_type in ("qwen2", "qwen3"):
        made.update(rms_norm_eps=1e-6, use_sliding_window=False)
    made.update(more)
    return made


def tiny(model_type, heads=4, kv_heads=2, hidden=64, **more):
    return config(model_type, 320, hidden, 112, 4, heads, kv_heads, **{"max_position_embeddings": 512, **more})


MODELS = {
    "llama-2-7b": config("llama", 32000, 4096, 11008, 32, 32, 32, max_position_embeddings=4096),
    "llama-3.1-8b": config("llama", 128256, 4096, 14336, 32, 32, 8, max_position_embeddings=131072, rope_theta=500000.0,
                           rope_scaling={**LLAMA3_ROPE, "factor": 8.0}),
    "llama-3.2-1b": config("llama", 128256, 2048, 8192, 16, 32, 8, head_dim=64, max_position_embeddings=131072,
                           rope_theta=500000.0, rope_scaling={**LLAMA3_ROPE, "factor": 32.0}, tie_word_embeddings=True),
    "mistral-7b": config("mistral", 32000, 4096, 14336, 32, 32, 8, max_position_embeddings=32768, rope_theta=10000.0,
                         sliding_window=4096),
    "phi-2": config("phi", 51200, 2560, 10240, 32, 32, 32, max_position_embeddings=2048),
    "qwen2.5-0.5b": config("qwen2", 151936, 896, 4864, 24, 14, 2, max_position_embeddings=32768, rope_theta=1000000.0,
                           tie_word_embeddings=True),
    "qwen3-0.6b": config("qwen3", 151936, 1024, 3072, 28, 16, 8, head_dim=128, max_position_embeddings=40960,
                         rope_theta=1000000.0, tie_word_embeddings=True),
    "tiny-llama": tiny("llama"),
    "tiny-llama-mha": tiny("llama", kv_heads=4),
    "tiny-llama-mqa": tiny("llama", kv_heads=1),
    "tiny-llama-odd": tiny("llama", heads=5, kv_heads=5, hidden=80),
    "tiny-llama-odd-gqa": tiny("llama", heads=9, kv_heads=3, hidden=72),
    "tiny-llama-tied": tiny("llama", tie_word_embeddings=True),
    "tiny-llama-bias": tiny("llama", attention_bias=True, mlp_bias=True),
    "tiny-llama-3": tiny("llama", head_dim=32, rope_theta=500000.0, rope_scaling={
        **LLAMA3_ROPE, "factor": 8.0, "original_max_position_embeddings": 64}),
    "tiny-mistral": tiny("mistral", sliding_window=16),
    "tiny-qwen2": tiny("qwen2", tie_word_embeddings=True),
    "tiny-qwen3": tiny("qwen3", head_dim=32),
    "tiny-phi": tiny("phi", kv_heads=4, hidden=80),
}


def tensors_of(made):
    """(name, shape) of every tensor, in the order of the layers."""
    hidden, ffn, vocab = made["hidden_size"], made["intermediate_size"], made["vocab_size"]
    kind, heads, kv_heads = made["model_type"], made["num_attention_heads"], made["num_key_value_heads"]
    head_dim = made.get("head_dim") or (128 if kind == "qwen3" else hidden // heads)
    is_phi = kind == "phi"
    qkv_bias = kind in ("qwen2", "phi") or (kind in ("llama", "qwen3") and made.get("attention_bias", False))
    out_bias = is_phi or (kind != "qwen2" and qkv_bias)
    mlp_bias = is_phi or (kind == "llama" and made.get("mlp_bias", False))

    def linear(name, rows, columns, has_bias):
        yield name + ".weight", (rows, columns)
        if has_bias:
            yield name + ".bias", (rows,)

    def norm(name, size=hidden):
        yield name + ".weight", (size,)
        if is_phi:
            yield name + ".bias", (size,)

    yield "model.embed_tokens.weight", (vocab, hidden)
    for layer in range(made["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from norm(prefix + "input_layernorm")
        yield from linear(prefix + "self_attn.q_proj", heads * head_dim, hidden, qkv_bias)
        yield from linear(prefix + "self_attn.k_proj", kv_heads * head_dim, hidden, qkv_bias)
        yield from linear(prefix + "self_attn.v_proj", kv_heads * head_dim, hidden, qkv_bias)
        yield from linear(prefix + ("self_attn.dense" if is_phi else "self_attn.o_proj"), hidden, heads * head_dim, out_bias)
        if kind == "qwen3":
            yield from norm(prefix + "self_attn.q_norm", head_dim)
            yield from norm(prefix + "self_attn.k_norm", head_dim)
        if is_phi:
            yield from linear(prefix + "mlp.fc1", ffn, hidden, mlp_bias)
            yield from linear(prefix + "mlp.fc2", hidden, ffn, mlp_bias)
        else:
            yield from norm(prefix + "post_attention_layernorm")
            yield from linear(prefix + "mlp.gate_proj", ffn, hidden, mlp_bias)
            yield from linear(prefix + "mlp.up_proj", ffn, hidden, mlp_bias)
            yield from linear(prefix + "mlp.down_proj", hidden, ffn, mlp_bias)
    yield from norm("model.final_layernorm" if is_phi else "model.norm")
    if not made["tie_word_embeddings"]:
        yield "lm_head.weight", (vocab, hidden)
    if is_phi:
        yield "lm_head.bias", (vocab,)


def as_dtype(values, dtype):
    """f32 values as the bytes of `dtype`, rounded to nearest even."""
    if dtype == "bf16":
        bits = values.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return values.astype({"f16": np.float16, "f32": np.float32}[dtype])


class Weights:
    """Bytes of tensors by name: equal for equal seed, name, shape and dtype, whatever else the model holds."""

    def __init__(self, seed, dtype):
        self.seed, self.dtype = seed, dtype
        self.item_bytes = 4 if dtype == "f32" else 2
        self.normals = np.random.default_rng(seed).standard_normal(BLOCK_LENGTH, dtype=np.float32) * np.float32(DEVIATION)
        self.block = as_dtype(self.normals, dtype)

    def chunks(self, name, shape):
        """The tensor's bytes, in order, as buffers of at most one block."""
        start = int.from_bytes(hashlib.sha256(f"{self.seed} {name}".encode()).digest()[:8], "little") % BLOCK_LENGTH
        left = math.prod(shape)
        if "norm" in name and name.endswith(".weight"):
            yield as_dtype(1 + np.take(self.normals, range(start, start + left), mode="wrap"), self.dtype).data.cast("B")
            return
        while left > 0:
            part = self.block[start:start + left]
            yield part.data.cast("B")
            left -= len(part)
            start = 0


def shards_of(tensors, item_bytes, max_bytes):
    """Lists of tensors, each within max_bytes unless one tensor alone is larger."""
    shards, size = [[]], 0
    for name, shape in tensors:
        count = math.prod(shape) * item_bytes
        if shards[-1] and size + count > max_bytes:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += count
    return shards


def write_shard(path, tensors, weights):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        begin, end = end, end + math.prod(shape) * weights.item_bytes
        header[name] = {"dtype": weights.dtype.upper(), "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            for chunk in weights.chunks(name, shape):
                file.write(chunk)
    return end


def write_weights(folder, made, weights, shard_bytes):
    shards = shards_of(tensors_of(made), weights.item_bytes, shard_bytes)
    if len(shards) == 1:
        write_shard(folder / "model.safetensors", shards[0], weights)
        return
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        index["metadata"]["total_size"] += write_shard(folder / name, tensors, weights)
        index["weight_map"].update({tensor: name for tensor, _ in tensors})
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def byte_alphabet():
    """GPT-2's printable stand-in for each byte, by byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def write_tokenizer(folder):
    alphabet = byte_alphabet()
    specials = {BOS: "<|begin|>", EOS: "<|end|>", END_OF_TURN: "<|turn|>"}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": None, "decoder": byte_level,
        "added_tokens": [{"id": id, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for id, text in specials.items()],
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {alphabet[byte]: byte for byte in range(256)}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": specials[BOS], "eos_token": specials[EOS],
         "clean_up_tokenization_spaces": False}, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(MODELS), metavar="NAME", help=", ".join(sorted(MODELS)))
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="the folder to write; must be empty or missing")
    parser.add_argument("--dtype", choices=["bf16", "f16", "f32"], default="bf16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, help="instead of the model's own number")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="another field of config.json")
    parser.add_argument("--shard-bytes", type=int, default=5_000_000_000, help="largest safetensors file")
    parser.add_argument("--no-tokenizer", action="store_true")
    arguments = parser.parse_args()

    made = dict(MODELS[arguments.name])
    if arguments.layers:
        made["num_hidden_layers"] = arguments.layers
    for assignment in arguments.set:
        key, _, value = assignment.partition("=")
        made[key] = json.loads(value)
    made["torch_dtype"] = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}[arguments.dtype]

    folder = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder}: is not empty; choose another folder")
    (folder / "config.json").write_text(json.dumps(made, indent=2))
    (folder / "generation_config.json").write_text(json.dumps(
        {"bos_token_id": BOS, "eos_token_id": [EOS, END_OF_TURN]}, indent=2))
    if not arguments.no_tokenizer:
        write_tokenizer(folder)
    write_weights(folder, made, Weights(arguments.seed, arguments.dtype), arguments.shard_bytes)


if __name__ == "__main__":
    main()
