"""The README's commands work as printed, and the files it links to are there."""
import json
import pathlib
import re
import subprocess

from support.house import House
from support.wait import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
    with House() as house:
        keys = f"WRITE={house.write_key}\nADMIN={house.admin_key}\nURL=http://127.0.0.1:{house.server.port}\n"

        def run(block):
            done = subprocess.run(["bash", "-ec", keys + block.replace("curl ", "curl -sSf ")], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            return done.stdout

        settings, send, describe, look = blocks
        assert "WRITE=" in settings
        assert run(send) == '{"success":true}' * 2
        assert json.loads(run(describe))["key"] == "big-spenders"
        wait_for(lambda: "ada" in run(look.splitlines()[0]), what="ada to enter")
        assert '"enter"' in run(look)


def test_links():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            assert "://" in link or (document.parent / link).exists(), f"{document.name}: {link} is not there"
