"""The variables of torchrun and its kin: one command on every machine makes a cluster."""

import pytest

from servers import Program, free_port, serving
from test_loss import ask, make_secret


@pytest.mark.parametrize("under_torchrun", [False, True])
def test_one_command_with_rank_0_and_rank_1_is_a_cluster_of_two(random_model, tmp_path, under_torchrun):
    port, home = free_port(), tmp_path / "rank1"
    home.mkdir()
    make_secret(tmp_path / "secret")
    # torchrun's own store holds MASTER_PORT, so that the port after it is tandem's.
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port - 1 if under_torchrun else port),
                 "MODEL_NAME": str(random_model("tiny-llama"))}  # fmt: skip
    if under_torchrun:
        variables["TORCHELASTIC_RUN_ID"] = "none"
    options = ("--secret-file", str(tmp_path / "secret"))
    with serving(*options, env={**variables, "RANK": "0"}, ready=False) as head:
        worker = Program("serve", "--port", str(head.port), *options, home=home, env={**variables, "RANK": "1"})
        try:
            head.wait_ready(60)
            assert len(head.get("/cluster")[1]["ranks"]) == 2
            assert f":{port}" in head.output, "the port that others are told to join"
            assert ask(head)[0] == 200
        finally:
            assert worker.stop() == 0


@pytest.mark.parametrize("variables, words", [
    ({"RANK": "1"}, "MASTER_ADDR"),
    ({"RANK": "one", "MASTER_ADDR": "127.0.0.1"}, "RANK=one"),
    ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "99999"}, "MASTER_PORT"),
])  # fmt: skip
def test_variables_that_cannot_be_used_are_named(tmp_path, variables, words):
    program = Program("serve", "demo", home=tmp_path, env=variables)
    assert program.process.wait(20) == 2, program.output
    assert words in program.output
