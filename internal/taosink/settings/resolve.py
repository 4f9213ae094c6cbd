"""From what was given to a frozen model, with everything that is wrong found at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from taosink.settings.layers import Given
from taosink.settings.problems import Problem
from taosink.settings.rules import broken_rules
from taosink.settings.spec import Group, Settings, Spec, specs_of

S = TypeVar("S", bound=Settings)


def resolve(model: type[S], chosen: Mapping[str, Given]) -> tuple[S, dict[str, Any], list[Problem]]:
    """The model, its values by setting name, and the problems. Pure.

    A value that is wrong stands at its default in the model and is absent from the values; where there are
    problems the model is good for nothing but finding more of them.
    """
    groups: dict[str, Group] = {}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        specs = {spec.path[1]: spec for spec in specs_of(model) if spec.path[0] == name}
        raw = {field: _raw(chosen[s.name]) for field, s in specs.items() if s.name in chosen}
        groups[name], wrong = _group(cast(type[Group], info.annotation), raw)
        problems += [problem_of(specs[field], chosen, fault) for field, fault in wrong.items()]
        values |= {s.name: getattr(groups[name], field) for field, s in specs.items() if field not in wrong}
    by_name = {spec.name: spec for spec in specs_of(model)}
    problems += [problem_of(by_name[p.setting], chosen, p.fault) for p in broken_rules(values)]
    return model.model_construct(**cast(dict[str, Any], groups)), values, problems


def _raw(given: Given) -> object:
    return given.values if given.spec.repeats else given.values[-1]


def _group(group: type[Group], raw: dict[str, object]) -> tuple[Group, dict[str, str]]:
    """The group made of what is right in `raw`, and the faults by field."""
    try:
        return group.model_validate(raw), {}
    except ValidationError as error:
        wrong = {str(e["loc"][0]): _fault(cast(dict[str, Any], e)) for e in reversed(error.errors())}
    return group.model_validate({f: v for f, v in raw.items() if f not in wrong}), wrong


def _fault(error: dict[str, Any]) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"].startswith(("int_", "float_")):
        return "is no whole number" if error["type"].startswith("int_") else "is no number"
    return str(error["msg"]).replace("Input should be", "should be").replace("String should", "should")


def problem_of(spec: Spec, chosen: Mapping[str, Given], fault: str) -> Problem:
    """The fault with where the value came from, and the value unless it may hold a secret."""
    problem = Problem(spec.name, fault)
    given = chosen.get(spec.name)
    if given is None:
        return problem
    # A map may hold secrets among its values, and an address its password.
    shown = None if spec.secret or spec.kind == "map" else ",".join(given.values)
    return replace(problem, origin=given.origin, value=shown)
