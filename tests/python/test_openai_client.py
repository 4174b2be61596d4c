"""The real `openai` client, and plain HTTP where its eyes are too kind, against a running server."""

import concurrent.futures
import http.client
import json
import urllib.parse

import openai
import pytest

QUESTION = [{"role": "user", "content": "Hello! Can you explain what you are?"}]


@pytest.fixture
def base(demo_server):
    """http://host:port without a path."""
    parts = urllib.parse.urlsplit(demo_server)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture
def client(base):
    with openai.OpenAI(base_url=base + "/v1", api_key="unused", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def model(client):
    return client.models.list().data[0].id


def greedy(client, model, **extra):
    return client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, max_tokens=40, **extra
    )


def post(base, path, body, headers=None):
    """Status, headers and raw bytes of one POST."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=60)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_a_plain_answer_is_complete(client, model):
    answer = greedy(client, model)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.model == model
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    usage = answer.usage
    assert 0 < usage.completion_tokens <= 40
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_says_what_the_plain_answer_says(client, model):
    plain = greedy(client, model)
    chunks = list(greedy(client, model, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == [] and chunks[-1].usage == plain.usage
    deltas = [chunk.choices[0] for chunk in chunks[:-1]]
    assert deltas[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in deltas) == plain.choices[0].message.content
    assert [choice.finish_reason for choice in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].finish_reason == plain.choices[0].finish_reason
    assert len(deltas) == plain.usage.completion_tokens


def test_log_probabilities_agree_between_stream_and_plain(client, model):
    plain = greedy(client, model, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    streamed = []
    for chunk in greedy(client, model, logprobs=True, top_logprobs=3, stream=True):
        streamed += chunk.choices[0].logprobs.content
    assert [entry.token for entry in streamed] == [entry.token for entry in plain]
    for entry in plain:
        assert len(entry.top_logprobs) == 3
        assert entry.logprob == entry.top_logprobs[0].logprob  # greedy: bit-equal
        assert bytes(entry.bytes).decode(errors="replace") == entry.token


def test_the_same_seed_gives_the_same_answer(client, model):
    def sample(seed):
        return client.chat.completions.create(
            model=model, messages=QUESTION, temperature=1.0, seed=seed, max_tokens=20
        ).choices[0].message.content

    assert sample(7) == sample(7)


def test_n_choices_have_their_index(client, model):
    answer = greedy(client, model, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 1


def test_a_stop_string_is_not_in_the_answer(client, model):
    content = greedy(client, model).choices[0].message.content
    stop = content[3:6]
    cut = greedy(client, model, stop=[stop]).choices[0]
    assert cut.message.content == content[: content.index(stop)] and cut.finish_reason == "stop"


def test_completions_take_every_prompt_form(client, model):
    for prompt, count in [("Hello", 1), (["Hello", "there"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]:
        answer = client.completions.create(model=model, prompt=prompt, max_tokens=3, temperature=0)
        assert [choice.index for choice in answer.choices] == list(range(count))


def test_errors_are_the_client_s_own_types(client, model):
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=model, messages=QUESTION, temperature=-1)
    assert bad.value.param == "temperature" and bad.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)
    assert unknown.value.code == "model_not_found" and model in unknown.value.message
    with pytest.raises(openai.BadRequestError) as tools:
        client.chat.completions.create(
            model=model,
            messages=QUESTION,
            tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        )
    assert tools.value.param == "tools"
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model=model, prompt=[1] * 1_000_000, max_tokens=1)
    assert long.value.code == "context_length_exceeded"
    assert long.value.request_id


def test_many_clients_at_once_get_the_same_greedy_answer(client, model):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: greedy(client, model).choices[0], range(32)))
    assert all(answer.message.content for answer in answers)
    assert all(answer.finish_reason in ("stop", "length") for answer in answers)


def test_a_closed_stream_leaves_the_server_well(client, model):
    with greedy(client, model, stream=True) as stream:
        next(iter(stream))
    assert greedy(client, model).choices[0].message.content


def test_the_wire_form_of_a_stream(base):
    status, headers, body = post(
        base, "/v1/chat/completions", {"messages": QUESTION, "stream": True, "max_tokens": 5}
    )
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-cache" and headers["X-Accel-Buffering"] == "no"
    frames = body.decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    for frame in frames[:-2]:
        assert frame.startswith(":") or json.loads(frame.removeprefix("data: "))["choices"]


@pytest.mark.parametrize(
    "body, param",
    [
        (b"", None),
        (b"{", None),
        (b'{"messages":[{"role":"user","content":"\\ud800"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":"\xff"}]}', "messages[0].content"),
        (b'{"temperature":NaN}', "temperature"),
        (b'{"n":1,"n":2}', "n"),
        (b'{"messages":' + b"[" * 100_000, None),
    ],
)
def test_hostile_json_is_a_400(base, body, param):
    status, _, answer = post(base, "/v1/chat/completions", body)
    error = json.loads(answer)["error"]
    assert status == 400 and error["type"] == "invalid_request_error"
    if param:
        assert error["param"] == param
