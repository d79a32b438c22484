"""A durable PostgreSQL (fsync on, as in production) and one cohortd for each test."""
import pytest

from support.house import House


@pytest.fixture()
def house():
    with House(durable=True) as made:
        yield made
