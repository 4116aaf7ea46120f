"""Builds conditions that a column is one of many values, passed as one parameter.

An IN list has a placeholder for each value, so that each number of values makes another statement to compile, parse and
plan. Measured: a third of the time that an import spent in the Python code of the store.
"""

from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


def in_array(column: sa.ColumnElement[Any], values: Iterable[str] | Iterable[int]) -> sa.ColumnElement[bool]:
    """The condition that the column is one of these values; false for no values."""
    return _InArray(column, sa.bindparam(None, list(values), type_=_ListParameter(column.type), unique=True))


def in_array_param(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The condition of `in_array` in a prepared statement.

    Each execution passes the values as a list by this name.
    """
    return _InArray(column, sa.bindparam(name, type_=_ListParameter(column.type)))


def in_pairs_param(
    first: sa.ColumnElement[Any], second: sa.ColumnElement[Any], name: str
) -> sa.ColumnElement[bool]:
    """The condition that two columns equal one pair of a list.

    Each execution passes the pairs of texts by this name.
    """
    return _InPairs(first, second, sa.bindparam(name, type_=_PairListParameter()))


class _ListParameter(sa.types.TypeDecorator[list[Any]]):
    """A list as one parameter: JSON in SQLite, an array in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, element_type: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        self.element_type = sa.BigInteger() if isinstance(element_type, sa.Integer) else sa.Text()

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text, or an array of the column's type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.element_type))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: list[Any] | None, dialect: sa.Dialect) -> Any:
        """The list as the driver takes it."""
        return value if dialect.name == "postgresql" else orjson.dumps(value).decode()


class _PairListParameter(sa.types.TypeDecorator[list[tuple[str, str]]]):
    """Pairs as one parameter: JSON in both databases."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[tuple[str, str]] | None, dialect: sa.Dialect) -> Any:
        """The pairs as the driver takes them."""
        return orjson.dumps(value).decode()


class _InPairs(GenericFunction[Any]):
    type = sa.types.NullType()
    inherit_cache = True


class _InArray(GenericFunction[Any]):
    # Not Boolean: where a database has no booleans that would become `(... IN ...) = 1`, which no index serves.
    type = sa.types.NullType()
    inherit_cache = True


@compiles(_InArray, "sqlite")
def _in_json(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_InArray, "postgresql")
def _in_array(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_InPairs, "sqlite")
def _pairs_in_json(element: Any, compiler: Any, **kw: Any) -> str:
    first, second, values = (compiler.process(clause, **kw) for clause in element.clauses)
    pairs = f"SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each({values})"
    return f"({first}, {second}) IN ({pairs})"


@compiles(_InPairs, "postgresql")
def _pairs_in_json_array(element: Any, compiler: Any, **kw: Any) -> str:
    first, second, values = (compiler.process(clause, **kw) for clause in element.clauses)
    pairs = f"SELECT pair ->> 0, pair ->> 1 FROM json_array_elements(CAST({values} AS json)) AS pair"
    return f"({first}, {second}) IN ({pairs})"
