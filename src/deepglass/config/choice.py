"""Sections that name a registered thing and give its options.

``[optimizer] name = "adam"`` may have the options that Adam takes, with Adam's types and
defaults: they are read from the signature of what makes it, so no list stands twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model


class Section(BaseModel):
    """A section of the file: no keys beyond those it knows, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Chosen(Section):
    """A registered name with its options.

    Attributes:
        name: of the thing.
    """

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """What it is made with, by name."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}


class Choice:
    """Annotates a field whose name is one of several, each with options of its own.

    Args:
        makers: by name, what makes the thing; the parameters after the first are its options.
        leave: further parameters that are no options.
    """

    def __init__(self, makers: Mapping[str, Callable[..., Any]], leave: tuple[str, ...] = ()):
        self.sections = {name: _section(name, make, leave) for name, make in makers.items()}

    def usual(self, name: str) -> Chosen:
        """Return the thing of this name with the options it has by default."""
        return self.sections[name](name=name)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        every: Any = Union.__getitem__(tuple(self.sections.values()))
        return handler.generate_schema(Annotated[every, Field(discriminator="name")])


def options_of(make: Callable[..., Any], leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return type and default of each option of what ``make`` makes.

    >>> def make(size: int, width: float = 2.0) -> None: ...
    >>> options_of(make)
    {'width': (<class 'float'>, 2.0)}
    """
    taker = make.__init__ if inspect.isclass(make) else make
    hints = get_type_hints(taker)
    parameters = list(inspect.signature(make).parameters.values())[1:]
    return {
        p.name: (hints[p.name], ... if p.default is p.empty else p.default)
        for p in parameters
        if p.name not in leave and p.kind is not p.VAR_KEYWORD
    }


def _section(name: str, make: Callable[..., Any], leave: tuple[str, ...]) -> type[Chosen]:
    fields: dict[str, Any] = {"name": (Literal[name], name), **options_of(make, leave)}
    return create_model(f"{name} section", __base__=Chosen, **fields)
