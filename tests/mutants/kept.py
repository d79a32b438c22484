"""A pytest plugin: golden.compiler.Store gets a fresh database on a PostgreSQL that runs already (MUTANTS_URL), not one of its own."""
import itertools
import os

import psycopg2

from golden import compiler

URL = os.environ["MUTANTS_URL"]
SERIAL = itertools.count(1)


class Kept:
    def __init__(self):
        self.name = f"golden_{os.getpid()}_{next(SERIAL)}"
        self.execute(f"CREATE DATABASE {self.name}")

    def execute(self, statement):
        connection = psycopg2.connect(URL)
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    def connect(self):
        connection = psycopg2.connect(URL.replace("/postgres?", f"/{self.name}?"))
        connection.autocommit = True
        return connection

    def stop(self):
        self.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


compiler.Postgres = Kept
