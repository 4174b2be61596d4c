#!/usr/bin/env python3
"""Trains the bundled demo model and writes it as Hugging Face files.

    train_demo.py [OUT]        (default: demo/model; about ten minutes on two cores, fixed seed)

A Llama of about 2.5 million parameters with a byte-level BPE of its own, taught by heart what tools/demo_text.py says.
Ends with an error when a question of the text is not answered word for word.
"""

import json
import pathlib
import random
import sys
import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

import demo_text

SEED = 8100
VOCABULARY = 1024
BEGIN, USER, ASSISTANT, SYSTEM, END = "<|begin|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"
SPECIAL = [BEGIN, USER, ASSISTANT, SYSTEM, END]
STEPS, BATCH, CONTEXT = 260, 16, 384
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SYSTEMS = ["You are a helpful assistant.", "Answer briefly.", "You are the demo model of tandem."]


def train_tokenizer() -> Tokenizer:
    texts = [text for answer, questions in demo_text.TOPICS for text in [answer, *questions, *(q.capitalize() for q in questions)]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts * 4 + demo_text.GREETINGS + SYSTEMS, trainer)
    return tokenizer


def conversation(draw: random.Random) -> list[tuple[str, str]]:
    """One to three turns, sometimes after a system message."""
    turns = []
    if draw.random() < 0.2:
        turns.append(("system", draw.choice(SYSTEMS)))
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        answer, questions = draw.choice(demo_text.TOPICS)
        question = demo_text.spell(draw.choice(questions), draw.choice(demo_text.GREETINGS), draw.random() < 0.7)
        if draw.random() < 0.15:
            question = question.rstrip("?.!")
        turns += [("user", question), ("assistant", answer)]
    return turns


def encode(tokenizer: Tokenizer, turns: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Ids and labels; only what the assistant says is learned."""
    end = tokenizer.token_to_id(END)
    ids, labels = [tokenizer.token_to_id(BEGIN)], [-100]
    for role, text in turns:
        body = tokenizer.encode(text).ids + [end]
        ids += [tokenizer.token_to_id(f"<|{role}|>")] + body
        labels += [-100] + (body if role == "assistant" else [-100] * len(body))
    return ids[:CONTEXT], labels[:CONTEXT]


def batch(tokenizer: Tokenizer, draw: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [encode(tokenizer, conversation(draw)) for _ in range(BATCH)]
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows])
    return ids, labels


def train(tokenizer: Tokenizer) -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    draw = random.Random(SEED)
    config = LlamaConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=192, intermediate_size=512, num_hidden_layers=6,
                         num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=2048, rms_norm_eps=1e-5,
                         rope_theta=10000.0, tie_word_embeddings=True, bos_token_id=tokenizer.token_to_id(BEGIN),
                         eos_token_id=tokenizer.token_to_id(END))
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=STEPS, pct_start=0.05)
    start = time.time()
    for step in range(STEPS):
        ids, labels = batch(tokenizer, draw)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == STEPS - 1:
            print(f"step {step:4d}  loss {loss.item():.4f}  {time.time() - start:.0f} s", flush=True)
    return model.to(torch.bfloat16).eval()


@torch.inference_mode()
def wrong_answers(model: LlamaForCausalLM, tokenizer: Tokenizer) -> list[str]:
    """Questions that greedy decoding, in the stored precision, does not answer word for word."""
    wrong = []
    for answer, questions in demo_text.TOPICS:
        for question in questions + [demo_text.spell(q, "Hello! ", True) for q in questions]:
            ids, _ = encode(tokenizer, [("user", question)])
            ids.append(tokenizer.token_to_id(ASSISTANT))
            output = model.float().generate(torch.tensor([ids]), max_new_tokens=150, do_sample=False, pad_token_id=0)[0, len(ids):]
            if tokenizer.decode(output.tolist()) != answer or output[-1] != tokenizer.token_to_id(END):
                wrong.append(question)
    return wrong


def write(model: LlamaForCausalLM, tokenizer: Tokenizer, out: pathlib.Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
    tokenizer.save(str(out / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    files = {
        "generation_config.json": {"bos_token_id": tokenizer.token_to_id(BEGIN), "eos_token_id": [end], "do_sample": True,
                                   "temperature": 0.2, "top_p": 0.9},
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BEGIN, "eos_token": END,
                                  "model_max_length": 2048, "clean_up_tokenization_spaces": False,
                                  "chat_template": CHAT_TEMPLATE},
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")


def main() -> int:
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "demo" / "model"
    tokenizer = train_tokenizer()
    model = train(tokenizer)
    write(model, tokenizer, out)
    wrong = wrong_answers(model, tokenizer)
    total = 2 * sum(len(questions) for _, questions in demo_text.TOPICS)
    print(f"{total - len(wrong)} of {total} questions answered word for word")
    for question in wrong:
        print(f"  not: {question}")
    return 1 if len(wrong) > total // 50 else 0


if __name__ == "__main__":
    sys.exit(main())
