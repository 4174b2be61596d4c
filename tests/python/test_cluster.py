"""What running stages compute, over links and Gloo: the same as transformers, and the same bits for every split."""

import json
import pathlib
import subprocess

import numpy
import pytest
import torch

from servers import BUILD
from test_model import CASES, PHI, TOLERANCE, VOCAB, make_model, prompt_of, reference

DRIVER = BUILD / "bin" / "tandem_cluster_driver"
DECODED = 32


def run_stages(folder: pathlib.Path, prompt, decode=DECODED, **options) -> numpy.ndarray:
    """Log-probabilities [prompt + decode, V] from a cluster of its own."""
    request = dict(folder=str(folder), prompt=prompt, decode=decode, vocab=VOCAB, cache=str(folder / "cache"), **options)
    done = subprocess.run([DRIVER, json.dumps(request)], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return numpy.frombuffer(done.stdout, dtype=numpy.float32).reshape(-1, VOCAB)


@pytest.mark.parametrize("name", CASES)
def test_two_stages_over_gloo_equal_transformers(name, tmp_path):
    kind, settings = CASES[name]
    model = make_model(kind, settings)
    model.save_pretrained(tmp_path)
    prompt = prompt_of(29)
    ids, logits = reference(model, prompt, DECODED + 1)
    mine = run_stages(tmp_path, prompt, ranks=2)
    numpy.testing.assert_allclose(mine, torch.tensor(logits).log_softmax(-1).numpy(), atol=TOLERANCE, rtol=0)
    assert mine[len(prompt) - 1:].argmax(-1).tolist() == ids[len(prompt):]


@pytest.mark.parametrize("name", ["llama3", "mistral-window", "qwen2", "qwen3", "phi"])
def test_stages_with_libtorch_alone_equal_transformers(name, tmp_path):
    kind, settings = CASES[name]
    model = make_model(kind, settings)
    model.save_pretrained(tmp_path)
    prompt = prompt_of(29)
    _, logits = reference(model, prompt, DECODED + 1)
    mine = run_stages(tmp_path, prompt, ranks=2, ops="aten")
    numpy.testing.assert_allclose(mine, torch.tensor(logits).log_softmax(-1).numpy(), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kind, dtype", [("llama-tied", "f32"), ("phi", "f32"), ("llama-gqa", "bf16")])
def test_one_to_four_ranks_give_identical_bits(kind, dtype, tmp_path):
    architecture, settings = CASES[kind]
    make_model(architecture, settings).save_pretrained(tmp_path)
    prompt = prompt_of(29)
    whole = run_stages(tmp_path, prompt, ranks=1, dtype=dtype, chunk=10)
    for split in [[2, 2], [3, 1], [1, 2, 1], [1, 1, 1, 1]]:
        parts = run_stages(tmp_path, prompt, ranks=len(split), split=split, dtype=dtype, chunk=10)
        assert parts.tobytes() == whole.tobytes(), split


def test_phi_scores_beyond_the_range_of_f16_match(tmp_path):
    model = make_model("phi", PHI)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(300)
            layer.self_attn.k_proj.weight.mul_(300)
    model.save_pretrained(tmp_path)
    prompt = prompt_of(29)
    _, logits = reference(model, prompt, DECODED + 1)
    mine = run_stages(tmp_path, prompt, ranks=2)
    numpy.testing.assert_allclose(mine, torch.tensor(logits).log_softmax(-1).numpy(), atol=TOLERANCE, rtol=0)
