"""Logits and greedy tokens of every architecture against transformers, on tiny random models made here.

The model room runs in one process (tandem_model_driver): no stages, no Gloo.
"""

import json
import os
import pathlib
import subprocess

import numpy
import pytest
import safetensors.torch
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = ROOT / os.environ.get("TANDEM_BUILD", "build") / "bin" / "tandem_model_driver"
VOCAB = 131
NUM_STEPS = 33  # the last token drawn is not computed: 32 decoded positions have logits
TOLERANCE = 1e-4

COMMON = dict(vocab_size=VOCAB, num_hidden_layers=4, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA = COMMON | dict(
    hidden_size=48, intermediate_size=80, num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=256
)
PHI = COMMON | dict(
    hidden_size=64, intermediate_size=96, num_attention_heads=4, max_position_embeddings=256, partial_rotary_factor=0.5
)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
LONGROPE = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    factor=4.0,
    original_max_position_embeddings=32,
    short_factor=[1.0, 1.1, 1.2, 1.3],
    long_factor=[1.0, 2.0, 3.0, 5.0],
)

CASES = {
    "llama-gqa": ("llama", LLAMA),
    "llama-mqa": ("llama", LLAMA | dict(num_key_value_heads=1)),
    "llama-mha-odd-heads": ("llama", LLAMA | dict(num_attention_heads=3, num_key_value_heads=3)),
    "llama-odd-group": ("llama", LLAMA | dict(num_attention_heads=6, num_key_value_heads=2, head_dim=10)),
    "llama-tied": ("llama", LLAMA | dict(tie_word_embeddings=True)),
    "llama-biases": ("llama", LLAMA | dict(attention_bias=True, mlp_bias=True)),
    "llama-gelu": ("llama", LLAMA | dict(hidden_act="gelu")),
    "llama-theta": ("llama", LLAMA | dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0))),
    "llama-linear": ("llama", LLAMA | dict(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0))),
    "llama-dynamic": (
        "llama",
        LLAMA
        | dict(max_position_embeddings=24, rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)),
    ),
    "llama3": (
        "llama",
        LLAMA
        | dict(
            head_dim=16,
            rope_parameters=dict(
                rope_type="llama3",
                rope_theta=10000.0,
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
    ),
    "llama-yarn": ("llama", LLAMA | dict(head_dim=16, rope_parameters=YARN)),
    "llama-yarn-mscale": (
        "llama",
        LLAMA | dict(head_dim=16, rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=0.7, truncate=False)),
    ),
    "llama-longrope": ("llama", LLAMA | dict(rope_parameters=LONGROPE)),
    "mistral": ("mistral", LLAMA | dict(sliding_window=None)),
    "mistral-window": ("mistral", LLAMA | dict(sliding_window=7)),
    "mistral-window-of-two": ("mistral", LLAMA | dict(sliding_window=2, head_dim=12)),
    "qwen2": ("qwen2", LLAMA),
    "qwen2-tied": ("qwen2", LLAMA | dict(tie_word_embeddings=True, num_attention_heads=3, num_key_value_heads=1)),
    "qwen2-window-above": (
        "qwen2",
        LLAMA | dict(use_sliding_window=True, sliding_window=5, max_window_layers=2),
    ),
    "qwen3": ("qwen3", LLAMA | dict(head_dim=16)),
    "qwen3-tied-biases": ("qwen3", LLAMA | dict(head_dim=12, tie_word_embeddings=True, attention_bias=True)),
    "phi": ("phi", PHI),
    "phi-gqa": ("phi", PHI | dict(num_attention_heads=6, hidden_size=96, num_key_value_heads=2)),
    "phi-gelu": ("phi", PHI | dict(hidden_act="gelu", partial_rotary_factor=0.25)),
}


def prompt_of(length, seed=0):
    return numpy.random.default_rng(seed).integers(3, VOCAB, length).tolist()


def make_model(kind, settings, seed=7):
    """A random model whose logits spread over several units, so that 1e-4 means something."""
    config = transformers.AutoConfig.for_model(kind, **settings)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.3 * noise)
            else:
                parameter.copy_(noise * (1.5 / parameter.shape[1] ** 0.5))
    return model


@torch.no_grad()
def reference(model, prompt, num_steps):
    """Greedy tokens with a cache, and the logits of every row that it computed."""
    cache = transformers.DynamicCache(config=model.config)
    ids, rows = list(prompt), []
    step = model(torch.tensor([ids]), past_key_values=cache, use_cache=True).logits[0]
    while True:
        rows.append(step)
        ids.append(int(step[-1].argmax()))
        if len(ids) == len(prompt) + num_steps:
            return ids, torch.cat(rows).float().numpy()
        step = model(torch.tensor([ids[-1:]]), past_key_values=cache, use_cache=True).logits[0]


def drive(folder, tmp_path, sequences, shares=(4,), **options):
    """Runs one job; returns the driver's answer and each sequence's logits."""
    files = [tmp_path / f"logits.{i}.bin" for i in range(len(sequences))]
    job = dict(folder=str(folder), shares=list(shares), **options)
    job["sequences"] = [dict(sequence, logits=str(file)) for sequence, file in zip(sequences, files)]
    done = subprocess.run([DRIVER], input=json.dumps(job), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [numpy.fromfile(file, dtype=numpy.float32).reshape(-1, VOCAB) for file in files]


@pytest.fixture(scope="module", params=CASES, ids=list(CASES))
def case(request, tmp_path_factory):
    """A model on disk with the tokens and logits that transformers gives for a prompt."""
    kind, settings = CASES[request.param]
    model = make_model(kind, settings)
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    prompt = prompt_of(29)
    return folder, prompt, *reference(model, prompt, NUM_STEPS)


@pytest.mark.parametrize("ops", ["auto", "aten"])
def test_logits_and_greedy_tokens_equal_those_of_transformers(case, tmp_path, ops):
    folder, prompt, ids, logits = case
    answer, [mine] = drive(folder, tmp_path, [dict(prompt=prompt, steps=NUM_STEPS)], ops=ops, block_size=4)
    numpy.testing.assert_allclose(mine, logits, atol=TOLERANCE, rtol=0)
    assert answer["ids"] == [ids]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    model = make_model("llama", LLAMA)
    folder = tmp_path_factory.mktemp("llama")
    model.save_pretrained(folder)
    return model, folder


@pytest.mark.parametrize("ops", ["auto", "aten"])
def test_sequences_in_one_batch_equal_each_alone(llama, tmp_path, ops):
    """Chunks of prompts and single tokens of several sequences share steps; long chunks gather keys, short ones do not."""
    model, folder = llama
    settings = [(61, 20, 0), (3, 3, 0), (29, 7, 2), (40, 40, 3), (17, 1, 4)]
    prompts = [prompt_of(length, seed) for seed, (length, _, _) in enumerate(settings)]
    sequences = [
        dict(prompt=prompt, steps=12, chunk=chunk, start=start)
        for prompt, (_, chunk, start) in zip(prompts, settings)
    ]
    answer, logits = drive(folder, tmp_path, sequences, ops=ops, block_size=8)
    for i, prompt in enumerate(prompts):
        ids, expected = reference(model, prompt, 12)
        numpy.testing.assert_allclose(logits[i], expected, atol=TOLERANCE, rtol=0)
        assert answer["ids"][i] == ids


@pytest.mark.parametrize("kind, settings", [("llama", LLAMA | dict(tie_word_embeddings=True)), ("phi", PHI)])
@pytest.mark.parametrize("ops, dtype", [("auto", "f32"), ("aten", "f32"), ("auto", "bf16")])
def test_every_split_gives_identical_bits(tmp_path, kind, settings, ops, dtype):
    make_model(kind, settings).save_pretrained(tmp_path)
    sequences = [dict(prompt=prompt_of(29), steps=8, chunk=10), dict(prompt=prompt_of(5, 1), steps=8)]
    whole, whole_logits = drive(tmp_path, tmp_path, sequences, shares=[4], ops=ops, dtype=dtype)
    for shares in [(2, 2), (1, 3), (3, 1), (1, 2, 1), (1, 1, 1, 1)]:
        parts, logits = drive(tmp_path, tmp_path, sequences, shares=shares, ops=ops, dtype=dtype)
        assert parts["ids"] == whole["ids"]
        for mine, expected in zip(logits, whole_logits):
            assert mine.tobytes() == expected.tobytes(), shares


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("kv_dtype", ["auto", "f32"])
@pytest.mark.parametrize("ops", ["auto", "aten"])
def test_weights_of_16_bits_stay_near_their_f32_model(tmp_path, dtype, kv_dtype, ops):
    """The reference has its weights rounded and computes in f32; what is left is the rounding of activations."""
    torch_dtype = {"bf16": torch.bfloat16, "f16": torch.float16}[dtype]
    model = make_model("llama", LLAMA).to(torch_dtype)
    model.save_pretrained(tmp_path / "stored")
    model.float().save_pretrained(tmp_path / "widened")
    prompt = prompt_of(29)
    with torch.no_grad():
        expected = model(torch.tensor([prompt])).logits[0].numpy()
    sequences, options = [dict(prompt=prompt, steps=1)], dict(kv_dtype=kv_dtype, ops=ops)
    _, [stored] = drive(tmp_path / "stored", tmp_path, sequences, **options)
    assert numpy.abs(stored - expected).mean() < expected.std() * {"bf16": 0.02, "f16": 0.0025}[dtype]
    _, [converted] = drive(tmp_path / "widened", tmp_path, sequences, dtype=dtype, **options)
    assert converted.tobytes() == stored.tobytes()


@pytest.mark.parametrize("ops", ["auto", "aten"])
def test_phi_scores_beyond_the_range_of_f16_match(tmp_path, ops):
    model = make_model("phi", PHI)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(300)
            layer.self_attn.k_proj.weight.mul_(300)
    model.save_pretrained(tmp_path)
    prompt = prompt_of(29)
    scores = []
    hook = model.model.layers[0].self_attn.q_proj.register_forward_hook(
        lambda module, inputs, output: scores.append(
            (output.view(-1, 4, 16).transpose(0, 1) @ model.model.layers[0].self_attn.k_proj(inputs[0]).view(-1, 4, 16)
             .permute(1, 2, 0)).abs().max().item() / 4
        )
    )
    ids, logits = reference(model, prompt, NUM_STEPS)
    hook.remove()
    assert max(scores) > 65504
    answer, [mine] = drive(tmp_path, tmp_path, [dict(prompt=prompt, steps=NUM_STEPS)], ops=ops)
    numpy.testing.assert_allclose(mine, logits, atol=TOLERANCE, rtol=0)
    assert answer["ids"] == [ids]


def test_a_share_holds_its_own_tensors_alone(llama, tmp_path):
    model, folder = llama
    sizes = {name: parameter.numel() * 4 for name, parameter in model.named_parameters()}
    layer = sum(size for name, size in sizes.items() if name.startswith("model.layers.0."))
    embedding, head = sizes["model.embed_tokens.weight"], sizes["lm_head.weight"] + sizes["model.norm.weight"]
    answer, _ = drive(folder, tmp_path, [dict(prompt=[5], steps=1)], shares=[1, 2, 1])
    assert answer["weight_bytes"] == [embedding + layer, 2 * layer, layer + head]


@pytest.mark.parametrize("dtype", ["auto", "f32"])
def test_loading_holds_little_more_than_the_weights(tmp_path, dtype):
    """Neither the mapped file nor a second copy stays resident, and no moment of loading has both."""
    settings = LLAMA | dict(vocab_size=60000, hidden_size=1536, intermediate_size=6000, num_hidden_layers=1)
    config = transformers.LlamaConfig(**settings)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in transformers.LlamaForCausalLM(config).state_dict().items()}
    zeros = {name: torch.zeros(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
    safetensors.torch.save_file(zeros, tmp_path / "model.safetensors")
    config.save_pretrained(tmp_path)
    job = dict(folder=str(tmp_path), shares=[1], dtype=dtype, num_blocks=1)
    job["sequences"] = [dict(prompt=[5], steps=1, logits=os.devnull)]
    done = subprocess.run([DRIVER], input=json.dumps(job), capture_output=True, text=True, timeout=120, check=True)
    answer = json.loads(done.stdout)
    if answer["peak_resident_bytes"] == 0:
        pytest.skip("this system does not tell a process's peak memory")
    [weights] = answer["weight_bytes"]
    assert weights > 400_000_000 * (2 if dtype == "f32" else 1)
    assert answer["peak_resident_bytes"] < weights + 250_000_000


def test_unknown_options_are_refused_by_name(llama, tmp_path):
    job = dict(folder=str(llama[1]), shares=[4], sequences=[])
    for option in [dict(ops="fast"), dict(dtype="int4"), dict(kv_dtype="f8"), dict(device="tpu")]:
        done = subprocess.run([DRIVER], input=json.dumps(job | option), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{list(option.values())[0]}" in done.stderr
