"""Every example of docs/segments.md compiles, and every form has one."""
import json
import re

import pytest

from differential.naive import Segment
from golden.compiler import Compiler
from support.postgres import ROOT

PAGE = (ROOT / "docs" / "segments.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.S) + re.findall(r'`(\{"trait": .*?\})`', PAGE)


@pytest.fixture(scope="module")
def compiler():
    compiler = Compiler()
    yield compiler
    compiler.close()


@pytest.mark.parametrize("example", [e for e in EXAMPLES if "path}" not in e])
def test_example(compiler, example):
    json.loads(example)
    answer = compiler.compile(Segment(example, "UTC"))
    assert "sql" in answer, answer


def test_every_word_has_an_example():
    words = set(re.findall(r'"(\w+)":', " ".join(EXAMPLES)))
    forms = """all any not some score if points event where property context has time pick measure sum avg distinct window last calendar after before
        for sequence within same absent times span trait profile segment consent bucket from to eq neq in nin gt gte between starts_with ends_with matches
        exists within_last within_next anniversary_in ignore_case""".split()
    assert set(forms) <= words, set(forms) - words
