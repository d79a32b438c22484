"""One throwaway PostgreSQL and one cohortd for each module."""
import pytest

from support.house import House


@pytest.fixture(scope="module")
def house():
    with House() as made:
        yield made
