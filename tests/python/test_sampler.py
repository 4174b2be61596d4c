"""The sampler against a reference in f64, written from vLLM's documented meaning and order, and its draws by chi-square."""

import json
import os
import pathlib
import subprocess

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = ROOT / os.environ.get("TANDEM_BUILD", "build") / "bin" / "tandem_sampler_driver"


def reference(logits, case):
    """Probabilities after logit_bias, min_tokens, penalties, temperature, min_p, top_k, top_p."""
    single = lambda name, default: float(numpy.float32(case.get(name, default)))  # parameters travel as f32
    limit = case.get("vocab_limit", len(logits))
    x = logits[:limit].astype(numpy.float64)
    prompt, output = case.get("prompt", []), case.get("output", [])
    for token, bias in case.get("logit_bias", []):
        x[token] += float(numpy.float32(bias))
    if len(output) < case.get("min_tokens", 0):
        x[case["end_ids"]] = -numpy.inf
    seen = sorted({token for token in [*prompt, *output] if token < limit})
    counts = numpy.bincount([token for token in output if token < limit], minlength=limit)
    repetition = single("repetition_penalty", 1)
    x[seen] = numpy.where(x[seen] > 0, x[seen] / repetition, x[seen] * repetition)
    x -= single("frequency_penalty", 0) * counts + single("presence_penalty", 0) * (counts > 0)
    temperature = single("temperature", 1)
    if temperature < 1e-5:
        return numpy.eye(limit)[int(x.argmax())]
    x /= temperature
    softmax = lambda values: numpy.exp(values - values.max()) / numpy.exp(values - values.max()).sum()
    p = softmax(x)
    x[p < single("min_p", 0) * p.max()] = -numpy.inf
    top_k = case.get("top_k", 0)
    if 0 < top_k < limit:
        x[x < numpy.sort(x)[-top_k]] = -numpy.inf
    p = softmax(x)
    order = numpy.lexsort((numpy.arange(limit), -p))
    before = numpy.concatenate([[0], numpy.cumsum(p[order])[:-1]])
    top_p = single("top_p", 1)
    if top_p < 1:
        x[order[(before >= top_p) & (numpy.arange(limit) > 0)]] = -numpy.inf
    return softmax(x)


def run(tmp_path, logits, cases):
    logits.astype(numpy.float32).tofile(tmp_path / "logits.bin")
    for i, case in enumerate(cases):
        case |= dict(logits=str(tmp_path / "logits.bin"), probabilities=str(tmp_path / f"p.{i}.bin"))
    done = subprocess.run([DRIVER], input=json.dumps(cases), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [numpy.fromfile(case["probabilities"]) for case in cases]


def random_case(rng, vocab):
    """Every transformation is there in about half of the cases."""
    case = dict(temperature=float(rng.choice([0.0, 0.1, 0.7, 1.0, 1.7, 4.0])), prompt=rng.integers(0, vocab, 20).tolist())
    case["output"] = rng.integers(0, vocab // 4, 30).tolist()
    options = dict(
        top_p=float(rng.uniform(0.05, 1)),
        top_k=int(rng.integers(1, vocab + 5)),
        min_p=float(rng.uniform(0, 0.3)),
        repetition_penalty=float(rng.uniform(0.5, 2)),
        frequency_penalty=float(rng.uniform(-2, 2)),
        presence_penalty=float(rng.uniform(-2, 2)),
        logit_bias=[[int(token), float(rng.uniform(-100, 100))] for token in rng.integers(0, vocab, 5)],
        vocab_limit=int(rng.integers(vocab // 2, vocab)),
    )
    case |= {name: value for name, value in options.items() if rng.random() < 0.5}
    if rng.random() < 0.5:
        case |= dict(min_tokens=int(rng.choice([5, 100])), end_ids=[0, 7])
    limit = case.get("vocab_limit", vocab)
    case["logit_bias"] = [[token, bias] for token, bias in case.get("logit_bias", []) if token < limit]
    return case


@pytest.mark.parametrize("vocab, count", [(40, 300), (1000, 60), (131072, 4)])
def test_probabilities_equal_the_reference(tmp_path, vocab, count):
    rng = numpy.random.default_rng(vocab)
    logits = rng.normal(0, 4, vocab).astype(numpy.float32)
    logits[5:15] = logits[4]  # ties
    cases = [random_case(rng, vocab) for _ in range(count)]
    _, probabilities = run(tmp_path, logits, cases)
    for case, mine in zip(cases, probabilities):
        numpy.testing.assert_allclose(mine, reference(logits, case), atol=1e-6, rtol=0, err_msg=str(case))


def test_a_hundred_thousand_draws_follow_the_probabilities(tmp_path):
    rng = numpy.random.default_rng(3)
    logits = rng.normal(0, 1, 50).astype(numpy.float32)
    cases = [dict(seed=seed, num_draws=100_000) for seed in (1, 2**64 - 1)]
    cases.append(dict(seed=3, num_draws=100_000, temperature=0.7, top_p=0.9, top_k=30, min_p=0.01))
    results, probabilities = run(tmp_path, logits, cases)
    for result, p in zip(results, probabilities):
        counts = numpy.bincount(result["ids"], minlength=len(p))
        assert counts[p == 0].sum() == 0
        expected = p * 100_000
        pooled = expected < 5
        observed = numpy.append(counts[~pooled], counts[pooled].sum())
        wanted = numpy.append(expected[~pooled], max(expected[pooled].sum(), 1e-9))
        chi_square = ((observed - wanted) ** 2 / wanted).sum()
        freedom = (~pooled).sum() - 1
        assert freedom > 5
        # Wilson and Hilferty: the cube root of chi-square over its freedom is near normal; 4 standard deviations.
        deviation = 2 / (9 * freedom)
        assert ((chi_square / freedom) ** (1 / 3) - (1 - deviation)) / deviation**0.5 < 4


def test_logprobs_are_the_raw_log_softmax(tmp_path):
    rng = numpy.random.default_rng(4)
    logits = rng.normal(0, 3, 500).astype(numpy.float32)
    logits[100] = logits[200] = logits.max() + 1
    case = dict(temperature=0.0, logit_bias=[[100, -50.0]], num_logprobs=5)
    [result], _ = run(tmp_path, logits, [case])
    wide = logits.astype(numpy.float64)
    expected = wide - wide.max() - numpy.log(numpy.exp(wide - wide.max()).sum())
    order = numpy.lexsort((numpy.arange(500), -wide))[:5]
    assert result["ids"] == [200]
    assert result["rank"] == 2  # two tokens are at least as likely
    assert [token for token, _ in result["top"]] == order.tolist()
    numpy.testing.assert_allclose([value for _, value in result["top"]], expected[order], atol=1e-6, rtol=0)
    assert result["logprob"] == result["top"][1][1]
