# SPDX-License-Identifier: Apache-2.0
"""Secrets: guests have a placeholder, requests to allowed hosts the value."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ._convert import StrPath, make, path, some, text, texts
from ._enums import ViolationAction


@dataclass(frozen=True)
class ViolationPolicy:
    """What becomes of a request with a placeholder that may not go there."""

    action: ViolationAction | str = ViolationAction.BLOCK_AND_LOG
    hosts: Sequence[str] = ()
    """With passthrough, where the placeholder may go as it is."""

    @classmethod
    def block(cls) -> ViolationPolicy:
        return cls(ViolationAction.BLOCK)

    @classmethod
    def block_and_log(cls) -> ViolationPolicy:
        return cls(ViolationAction.BLOCK_AND_LOG)

    @classmethod
    def block_and_terminate(cls) -> ViolationPolicy:
        return cls(ViolationAction.BLOCK_AND_TERMINATE)

    @classmethod
    def passthrough(cls, hosts: Sequence[str] = (), host_patterns: Sequence[str] = (),
                    all_hosts: bool = False) -> ViolationPolicy:
        return cls(ViolationAction.PASSTHROUGH,
                   [*hosts, *host_patterns, *(["*"] if all_hosts else [])])

    def _json(self) -> Any:
        action, hosts = text(self.action, "action"), texts(self.hosts, "hosts")
        return {action: hosts} if hosts else action


Violation = Union[ViolationPolicy, Mapping[str, Any], ViolationAction, str]


def violation_json(value: Violation) -> Any:
    return text(value, "on_violation") if isinstance(value, str) else make(
        ViolationPolicy, value)._json()


@dataclass(frozen=True)
class SecretInjection:
    """Where in a request a placeholder is replaced."""

    headers: bool = True
    basic_auth: bool = True
    query_params: bool = False
    body: bool = False

    def _json(self) -> dict[str, bool]:
        return {"headers": self.headers, "basic_auth": self.basic_auth,
                "query": self.query_params, "body": self.body}


@dataclass(frozen=True)
class SecretEntry:
    """A secret; its value is given, or read from a variable or a file at each start."""

    env_var: str
    value: str | None = field(default=None, repr=False)
    from_env: str | None = None
    from_file: StrPath | None = None
    allow_hosts: Sequence[str] = ()
    allow_host_patterns: Sequence[str] = ()
    allow_any_host: bool | None = None
    placeholder: str | None = None
    """None: "$MSB_" and env_var."""
    require_tls: bool | None = None
    on_violation: Violation | None = None
    injection: SecretInjection | Mapping[str, Any] | None = None

    def _json(self) -> dict[str, Any]:
        return some(
            env=self.env_var, value=self.value, from_env=self.from_env,
            from_file=None if self.from_file is None else path(self.from_file),
            hosts=texts(self.allow_hosts, "allow_hosts") or None,
            host_patterns=texts(self.allow_host_patterns, "allow_host_patterns") or None,
            allow_any_host=self.allow_any_host, placeholder=self.placeholder,
            require_tls=self.require_tls,
            on_violation=None if self.on_violation is None else violation_json(self.on_violation),
            inject=None if self.injection is None
            else make(SecretInjection, self.injection)._json())


class Secret:
    """Makes secrets."""

    @staticmethod
    def env(env_var: str, *, value: str | None = None, from_env: str | None = None,
            from_file: StrPath | None = None, allow_hosts: Sequence[str] = (),
            allow_host_patterns: Sequence[str] = (), allow_any_host: bool | None = None,
            placeholder: str | None = None, require_tls: bool | None = None,
            on_violation: Violation | None = None,
            injection: SecretInjection | Mapping[str, Any] | None = None) -> SecretEntry:
        """One that the guest finds the placeholder of in an environment variable."""
        return SecretEntry(env_var, value, from_env, from_file, allow_hosts, allow_host_patterns,
                           allow_any_host, placeholder, require_tls, on_violation, injection)


__all__ = ["Secret", "SecretEntry", "SecretInjection", "ViolationPolicy"]
