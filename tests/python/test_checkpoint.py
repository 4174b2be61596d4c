"""What tandem reads from a model folder against transformers' config classes and the safetensors package.

The checkpoint room runs alone (tandem_checkpoint_driver): config.json to numbers, safetensors to bytes.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest
import safetensors.numpy
import tokenizers
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = ROOT / os.environ.get("TANDEM_BUILD", "build") / "bin" / "tandem_checkpoint_driver"

SMALL = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
LONGROPE = dict(rope_type="longrope", short_factor=[1.0, 1.5, 2.0, 2.5], long_factor=[2.0, 3.0, 4.0, 5.0],
                original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)

# config.json by hand, as files on the Hub have it: old and new forms, absent and null fields.
CONFIGS = {
    "llama-defaults": dict(model_type="llama"),
    "mistral-defaults": dict(model_type="mistral"),
    "qwen2-defaults": dict(model_type="qwen2"),
    "qwen3-defaults": dict(model_type="qwen3"),
    "phi-defaults": dict(model_type="phi"),
    "llama-small": dict(model_type="llama", **SMALL),
    "llama-bias-tied": dict(model_type="llama", **SMALL, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "llama-head-dim": dict(model_type="llama", **SMALL, head_dim=24, rms_norm_eps=1e-5, hidden_act="gelu"),
    "llama-null-kv": dict(model_type="llama", **{**SMALL, "num_key_value_heads": None}),
    "llama-ends": dict(model_type="llama", **SMALL, eos_token_id=[3, 5, 7], bos_token_id=4),
    "llama-null-ends": dict(model_type="llama", **SMALL, eos_token_id=None, bos_token_id=None),
    "llama-theta": dict(model_type="llama", **SMALL, rope_theta=500000),
    "llama-null-scaling": dict(model_type="llama", **SMALL, rope_theta=500000.0, rope_scaling=None),
    "llama-linear-old": dict(model_type="llama", **SMALL, rope_scaling=dict(type="linear", factor=2.0)),
    "llama-dynamic": dict(model_type="llama", **SMALL, rope_scaling=dict(rope_type="dynamic", factor=4.0)),
    "llama-3-old": dict(model_type="llama", **SMALL, rope_theta=500000.0, rope_scaling=LLAMA3),
    "llama-3-new": dict(model_type="llama", **SMALL, rope_parameters=dict(LLAMA3, rope_theta=500000.0)),
    "llama-both-thetas": dict(model_type="llama", **SMALL, rope_theta=1.5e4, rope_parameters=dict(rope_type="default", rope_theta=2e4)),
    "llama-3-no-original": dict(model_type="llama", **SMALL, rope_scaling={
        key: value for key, value in LLAMA3.items() if key != "original_max_position_embeddings"}),
    "llama-yarn": dict(model_type="llama", **SMALL, rope_scaling=YARN),
    "llama-yarn-betas": dict(model_type="llama", **SMALL, rope_scaling=dict(YARN, beta_fast=16, beta_slow=2, truncate=False)),
    "llama-yarn-zero-betas": dict(model_type="llama", **SMALL, rope_scaling=dict(YARN, beta_fast=0, beta_slow=0)),
    "llama-yarn-attention": dict(model_type="llama", **SMALL, rope_scaling=dict(YARN, attention_factor=0.7)),
    "llama-yarn-mscale": dict(model_type="llama", **SMALL, rope_scaling=dict(YARN, mscale=0.7, mscale_all_dim=1.2)),
    "llama-yarn-null-factor": dict(model_type="llama", **SMALL, rope_scaling=dict(YARN, factor=None)),
    "llama-longrope": dict(model_type="llama", **SMALL, rope_scaling=LONGROPE),
    "llama-longrope-factor": dict(model_type="llama", **SMALL, rope_scaling=dict(LONGROPE, factor=3.0)),
    "llama-longrope-outer": dict(model_type="llama", **SMALL, original_max_position_embeddings=32, rope_scaling=LONGROPE),
    "mistral-window": dict(model_type="mistral", **SMALL, sliding_window=17),
    "mistral-no-window": dict(model_type="mistral", **SMALL, sliding_window=None, head_dim=16),
    "qwen2-unused-window": dict(model_type="qwen2", **SMALL, sliding_window=17, max_window_layers=1, use_sliding_window=False),
    "qwen2-window": dict(model_type="qwen2", **SMALL, sliding_window=17, max_window_layers=1, use_sliding_window=True),
    "qwen2-window-nowhere": dict(model_type="qwen2", **SMALL, sliding_window=17, max_window_layers=3, use_sliding_window=True),
    "qwen2-window-everywhere": dict(model_type="qwen2", **SMALL, sliding_window=17, max_window_layers=0, use_sliding_window=True),
    "qwen3-layer-types": dict(model_type="qwen3", **SMALL, use_sliding_window=True, sliding_window=9, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"]),
    "qwen3-bias": dict(model_type="qwen3", **SMALL, attention_bias=True, head_dim=16, tie_word_embeddings=True),
    "phi-2": dict(model_type="phi", vocab_size=51200, hidden_size=2560, intermediate_size=10240, num_hidden_layers=32,
                  num_attention_heads=32, partial_rotary_factor=0.4, layer_norm_eps=1e-5, hidden_act="gelu_new"),
    "phi-new-form": dict(model_type="phi", **SMALL, rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.75)),
    "dtype-old": dict(model_type="llama", **SMALL, torch_dtype="bfloat16"),
    "dtype-new": dict(model_type="llama", **SMALL, dtype="float16"),
}

ACTIVATIONS = {"silu": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "relu": "relu"}


def drive(*arguments):
    return subprocess.run([DRIVER, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def ask(*arguments):
    done = drive(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(*arguments):
    done = drive(*arguments)
    assert done.returncode == 1, done.stdout
    return done.stderr


def windows(config):
    """Tokens seen back by each layer, 0 for all."""
    if getattr(config, "sliding_window", None) is None:
        return [0] * config.num_hidden_layers
    if config.model_type == "mistral":
        return [config.sliding_window] * config.num_hidden_layers
    return [config.sliding_window if kind == "sliding_attention" else 0 for kind in config.layer_types]


def ids(value):
    return [] if value is None else [value] if isinstance(value, int) else value


def attention_factor(config, rope):
    if rope["rope_type"] not in ("yarn", "longrope"):
        return 1.0
    return ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, torch.device("cpu"))[1]


@pytest.mark.parametrize("name", CONFIGS)
def test_config_means_what_it_means_to_transformers(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    ours = ask("config", tmp_path)
    kind = theirs.model_type
    with torch.device("meta"):
        layer = transformers.AutoModelForCausalLM.from_config(theirs).model.layers[0]
    assert ours["model_type"] == kind
    assert ours["num_layers"] == theirs.num_hidden_layers
    assert ours["hidden_size"] == theirs.hidden_size
    assert ours["num_heads"] == theirs.num_attention_heads
    assert ours["num_kv_heads"] == theirs.num_key_value_heads
    assert ours["head_dim"] == layer.self_attn.head_dim
    assert ours["ffn_size"] == theirs.intermediate_size
    assert ours["vocab_size"] == theirs.vocab_size
    assert ours["max_position"] == theirs.max_position_embeddings
    assert ours["norm_eps"] == (theirs.layer_norm_eps if kind == "phi" else theirs.rms_norm_eps)
    assert ours["activation"] == ACTIVATIONS[theirs.hidden_act]
    assert ours["tie_embeddings"] == theirs.tie_word_embeddings
    assert ours["torch_dtype"] == ("" if theirs.dtype is None else str(theirs.dtype).removeprefix("torch."))
    assert ours["end_ids"] == ids(theirs.eos_token_id)
    assert ours["bos_id"] == theirs.bos_token_id
    # Biases and norms as the layer really has them.
    names = dict(layer.named_parameters())
    output = "self_attn.dense" if kind == "phi" else "self_attn.o_proj"
    mlp = "mlp.fc1" if kind == "phi" else "mlp.up_proj"
    assert ours["attention_bias"] == ("self_attn.q_proj.bias" in names)
    assert ours["output_bias"] == (output + ".bias" in names)
    assert ours["mlp_bias"] == (mlp + ".bias" in names)
    assert ours["qk_norm"] == ("self_attn.q_norm.weight" in names)
    assert ours["parallel_block"] == (kind == "phi")
    per_layer = [ours["sliding_window"] if sliding else 0 for sliding in ours["layer_is_sliding"]]
    assert (per_layer or [ours["sliding_window"]] * ours["num_layers"]) == windows(theirs)


@pytest.mark.parametrize("name", CONFIGS)
def test_rope_means_what_it_means_to_transformers(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    theirs.standardize_rope_params()  # as every rope function does before it reads them
    rope, ours = theirs.rope_parameters, ask("config", tmp_path)["rope"]
    head_dim = getattr(theirs, "head_dim", None) or theirs.hidden_size // theirs.num_attention_heads
    assert ours["type"] == rope["rope_type"]
    assert ours["theta"] == rope["rope_theta"]
    assert ours["rotary_dim"] == int(head_dim * rope.get("partial_rotary_factor", 1.0))
    original = rope.get("original_max_position_embeddings", theirs.max_position_embeddings)
    assert ours["original_max_position"] == original
    assert ours["factor"] == (rope.get("factor") or (theirs.max_position_embeddings / original if "factor" in rope or
                                                     rope["rope_type"] == "longrope" else 1.0))
    for key, default in (("low_freq_factor", 1.0), ("high_freq_factor", 4.0), ("truncate", True)):
        assert ours[key] == rope.get(key, default)
    assert ours["beta_fast"] == (rope.get("beta_fast") or 32)
    assert ours["beta_slow"] == (rope.get("beta_slow") or 1)
    assert ours["short_factor"] == rope.get("short_factor", [])
    assert ours["long_factor"] == rope.get("long_factor", [])
    assert ours["attention_factor"] == pytest.approx(attention_factor(theirs, rope), rel=1e-12)


def test_generation_config_overrides_ends_and_gives_sampling(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS["llama-ends"]))
    transformers.GenerationConfig(eos_token_id=[8, 9], temperature=0.6, top_p=0.9, top_k=40, min_p=0.05, repetition_penalty=1.2,
                                  do_sample=True).save_pretrained(tmp_path)
    ours = ask("config", tmp_path)
    assert ours["end_ids"] == [8, 9]
    assert ours["bos_id"] == 4
    sampling = {key: ours[key] for key in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
    assert sampling == dict(temperature=0.6, top_p=0.9, top_k=40, min_p=0.05, repetition_penalty=1.2)


MODELS = {
    "llama": {}, "mistral": {}, "qwen2": {}, "qwen3": {"head_dim": 16}, "phi": {"num_key_value_heads": 4},
    "llama-bias": {"attention_bias": True, "mlp_bias": True}, "qwen3-bias": {"attention_bias": True},
}


@pytest.mark.parametrize("shard_size", ["5GB", "20KB"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_slices_of_models_saved_by_transformers(name, tied, shard_size, tmp_path):
    config = transformers.AutoConfig.for_model(name.split("-")[0], **{**SMALL, **MODELS[name]}, tie_word_embeddings=tied)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    stored = {}
    for file in tmp_path.glob("*.safetensors"):
        with safetensors.safe_open(file, framework="pt") as tensors:
            stored.update({key: tensors.get_tensor(key) for key in tensors.keys()})
    shares = [ask("slice", tmp_path, 0, 2, 1, 0), ask("slice", tmp_path, 2, 3, 0, 1)]
    names = [{tensor["name"] for tensor in share} for share in shares]
    assert names[0] | names[1] == set(stored)
    assert names[0] & names[1] == ({"model.embed_tokens.weight"} if tied else set())
    for tensor in shares[0] + shares[1]:
        value = stored[tensor["name"]]
        assert tensor["dtype"] == "bf16"
        assert tensor["shape"] == list(value.shape)
        assert tensor["sha256"] == hashlib.sha256(value.view(torch.uint16).numpy().tobytes()).hexdigest()


def test_bytes_of_a_file_written_by_safetensors(tmp_path):
    generator = numpy.random.default_rng(3)
    arrays = {f"t{i}": generator.standard_normal(shape).astype(dtype)
              for i, (shape, dtype) in enumerate([((3, 5), "f4"), ((7,), "f2"), ((), "f4"), ((2, 0, 3), "f4"), ((1, 2, 3, 4), "f2")])}
    arrays["counts"] = numpy.arange(9)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    safetensors.numpy.save_file(arrays, tmp_path / "model.safetensors", metadata={"format": "np", "ü": "\"\\"})
    ours = {tensor["name"]: tensor for tensor in ask("tensors", tmp_path)}
    assert set(ours) == set(arrays) - {"counts"}  # of a dtype that no layer needs
    for name, tensor in ours.items():
        assert tensor["shape"] == list(arrays[name].shape)
        assert tensor["dtype"] == {"float32": "f32", "float16": "f16"}[str(arrays[name].dtype)]
        assert tensor["sha256"] == hashlib.sha256(arrays[name].tobytes()).hexdigest()


def test_quantized_and_unknown_models_are_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(dict(model_type="llama", quantization_config=dict(quant_method="gptq", bits=4))))
    assert '"gptq"' in refusal("config", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(dict(model_type="gemma3")))
    assert '"gemma3" is not known; known are llama, mistral, qwen2, qwen3, phi' in refusal("config", tmp_path)


TINY = ["tiny-llama", "tiny-llama-mha", "tiny-llama-mqa", "tiny-llama-odd", "tiny-llama-odd-gqa", "tiny-llama-tied", "tiny-llama-bias",
        "tiny-llama-3", "tiny-mistral", "tiny-qwen2", "tiny-qwen3", "tiny-phi"]


def write_random(name, folder, *options):
    subprocess.run([sys.executable, ROOT / "tools" / "random_model.py", name, folder, *options], check=True, timeout=60)


@pytest.mark.parametrize("name", TINY)
def test_random_models_load_whole_here_and_in_transformers(name, tmp_path):
    write_random(name, tmp_path / "m", "--shard-bytes", "100000")
    model, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m", output_loading_info=True, dtype=torch.float32)
    assert not any(report.values()), report
    assert torch.isfinite(model(torch.arange(20)[None]).logits).all()
    layers = model.config.num_hidden_layers
    assert len(ask("slice", tmp_path / "m", 0, layers, 1, 1)) == len(ask("tensors", tmp_path / "m"))
    assert ask("config", tmp_path / "m")["end_ids"] == [257, 258]


def test_random_models_depend_on_the_seed_alone(tmp_path):
    for folder, options in (("a", []), ("b", []), ("c", ["--seed", "1"]), ("short", ["--layers", "1"])):
        write_random("tiny-llama", tmp_path / folder, *options)
    a, b, c, short = ({tensor["name"]: tensor["sha256"] for tensor in ask("tensors", tmp_path / folder)} for folder in ("a", "b", "c", "short"))
    assert a == b
    assert all(a[name] != c[name] for name in a)
    assert short.items() < a.items()


def test_the_random_models_tokenizer_reads_and_writes_any_bytes(tmp_path):
    write_random("tiny-llama", tmp_path / "m")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "m" / "tokenizer.json"))
    text = "héllo\n 世界 🎉<|turn|>"
    encoded = tokenizer.encode(text).ids
    assert encoded[-1] == 258 and max(encoded[:-1]) < 256
    assert tokenizer.decode(encoded, skip_special_tokens=False) == text
