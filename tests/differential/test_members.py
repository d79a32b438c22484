"""Members equal a fresh and independent evaluation: random definitions × random histories against a live cohortd.

SEED and N (segments in each of two rounds) change the run; `make soak SEED=… N=…` does many rounds.
"""
import os
import random

import pytest

from differential.invalid import INVALID, wrapped
from differential.rounds import Round
from support.house import House

SEED = int(os.environ.get("SEED", "1"))
N = int(os.environ.get("N", "40"))


@pytest.fixture(scope="module")
def house():
    with House() as made:
        yield made


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_members_equal_a_naive_evaluation(house, seed):
    found = Round(house, seed, n=N).run()
    assert not found, "\n".join(found[:5])


@pytest.mark.parametrize("index", range(len(INVALID)))
def test_invalid_definition_is_422_with_a_pointer(house, index):
    definition, pointers = wrapped(random.Random(SEED + index), *INVALID[index])
    answer = house.api.post("/v1/segments", {"key": "bad", "name": "bad", "kind": "rule", "definition": definition})
    if answer.status == 201:
        house.api.delete("/v1/segments/bad")
    assert answer.status == 422, (definition, answer)
    found = answer.json["errors"][0]["pointer"]
    assert found in pointers or found.removeprefix("/definition") in pointers, (definition, pointers, answer.json)
