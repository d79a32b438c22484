import pathlib

import pytest
from e2e.browser import Browser, npm_ci

FOLDER = pathlib.Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def sdks():
    """The SDKs as package-lock.json pins them, fetched when they are not there yet."""
    npm_ci(FOLDER)


@pytest.fixture(scope="session")
def browser():
    """Chromium, one for all tests; a test makes contexts of its own."""
    with Browser() as browser:
        yield browser
