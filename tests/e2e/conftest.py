import pathlib
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def sdks():
    """The SDKs as package-lock.json pins them, fetched when they are not there yet."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress", "--loglevel=error"], cwd=FOLDER, check=True, timeout=300)
