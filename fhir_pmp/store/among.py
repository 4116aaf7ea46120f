"""Whether a column's value is one of many, as one parameter: the statement is the same however many they are.

An IN list spells each value, and is then a new statement to put together, to parse and to plan for each number of
values: measured, a third of the time that an import spent in the database's Python.
"""

from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


def among(column: sa.ColumnElement[Any], values: Iterable[str] | Iterable[int]) -> sa.ColumnElement[bool]:
    """The condition that the column's value is one of these; none hold it for no values."""
    return _among(column, sa.bindparam(None, list(values), type_=_Many(column.type), unique=True))


def among_given(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The same of a statement put together beforehand: the values come with each execution, a list by this name."""
    return _among(column, sa.bindparam(name, type_=_Many(column.type)))


def pairs_given(
    first: sa.ColumnElement[Any], second: sa.ColumnElement[Any], name: str
) -> sa.ColumnElement[bool]:
    """The condition that two columns together are one of the pairs of texts that come by this name."""
    return _pairs(first, second, sa.bindparam(name, type_=_Pairs()))


class _Many(sa.types.TypeDecorator[list[Any]]):
    """A list as one parameter: JSON in SQLite, an array in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, one: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        self.one = sa.BigInteger() if isinstance(one, sa.Integer) else sa.Text()

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text, or an array of the column's type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.one))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: list[Any] | None, dialect: sa.Dialect) -> Any:
        """The list as the driver takes it."""
        return value if dialect.name == "postgresql" else orjson.dumps(value).decode()


class _Pairs(sa.types.TypeDecorator[list[tuple[str, str]]]):
    """Pairs as one parameter: JSON in both databases."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[tuple[str, str]] | None, dialect: sa.Dialect) -> Any:
        """The pairs as the driver takes them."""
        return orjson.dumps(value).decode()


class _pairs(GenericFunction[Any]):
    type = sa.types.NullType()
    inherit_cache = True


class _among(GenericFunction[Any]):
    # Not Boolean: where a database has no booleans that would become `(... IN ...) = 1`, which no index serves.
    type = sa.types.NullType()
    inherit_cache = True


@compiles(_among, "sqlite")
def _in_json(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_among, "postgresql")
def _in_array(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_pairs, "sqlite")
def _pair_in_json(element: Any, compiler: Any, **kw: Any) -> str:
    first, second, values = (compiler.process(clause, **kw) for clause in element.clauses)
    pairs = f"SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each({values})"
    return f"({first}, {second}) IN ({pairs})"


@compiles(_pairs, "postgresql")
def _pair_in_json_array(element: Any, compiler: Any, **kw: Any) -> str:
    first, second, values = (compiler.process(clause, **kw) for clause in element.clauses)
    pairs = f"SELECT pair ->> 0, pair ->> 1 FROM json_array_elements(CAST({values} AS json)) AS pair"
    return f"({first}, {second}) IN ({pairs})"
