# SPDX-License-Identifier: Apache-2.0
"""Options of a sandbox that is to be made, as one JSON object for the library."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Union

from ._convert import (
    SizeLike, StrPath, integer, make, mib, ms, number, pairs, path, seconds, some, text, texts,
)
from ._enums import LogLevel, PullPolicy
from .exec import RLIM_INFINITY, Rlimit
from .image import ImageSource, RegistryAuth
from .network import Network, Ports, ports_json
from .patch import PatchConfig
from .secret import SecretEntry, Violation, violation_json
from .volume import MountConfig


@dataclass(frozen=True)
class InitConfig:
    """A program that PID 1 is handed to: an absolute path, or "auto"."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] | None = None

    def _json(self) -> dict[str, Any]:
        return some(cmd=self.cmd, args=texts(self.args, "args") or None,
                    env=pairs(self.env, "env") if self.env else None)


class SandboxOptions(TypedDict, total=False):
    """The keywords of Sandbox.create(). What is left out is the library's default."""

    image: Union[str, "os.PathLike[str]", ImageSource, Mapping[str, Any]]
    snapshot: StrPath
    cpus: int
    memory: SizeLike
    workdir: str
    shell: str
    hostname: str
    user: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    entrypoint: Sequence[str]
    cmd: Sequence[str]
    init: str | InitConfig | Mapping[str, Any]
    scripts: Mapping[str, str]
    rlimits: Sequence[Rlimit | Mapping[str, Any]]
    max_duration: float
    idle_timeout: float
    replace: bool
    replace_with_timeout: float
    detached: bool
    ephemeral: bool
    pull_policy: PullPolicy | str
    registry_auth: RegistryAuth | Mapping[str, Any]
    registry_insecure: bool
    registry_ca_certs: StrPath
    log_level: LogLevel | str
    metrics_interval: float
    volumes: Mapping[str, MountConfig | Mapping[str, Any]]
    patches: Sequence[PatchConfig | Mapping[str, Any]]
    ports: Ports
    network: Network | Mapping[str, Any] | str
    secrets: Sequence[SecretEntry | Mapping[str, Any]]
    on_secret_violation: Violation
    engine: str
    engine_jail: str
    engine_mode: str
    startup: Sequence[str]


def _image(value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)):
        return path(value)
    return make(ImageSource, value)._json()


def _init(value: Any) -> Any:
    return value if isinstance(value, str) else make(InitConfig, value)._json()


def _network(value: Any) -> Any:
    return {"policy": value} if isinstance(value, str) else make(Network, value)._json()


def _rlimits(value: Any) -> Any:
    found = []
    for item in value:
        resource, soft, hard = make(Rlimit, item)._limits()
        found.append({"resource": resource, "soft": _limit(soft), "hard": _limit(hard)})
    return found


def _limit(n: int) -> int | str:
    return "unlimited" if n == RLIM_INFINITY else n


def _mounts(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"volumes is a mapping, not {type(value).__name__}")
    return {text(guest, "a path of the guest"): make(MountConfig, mount)._json()
            for guest, mount in value.items()}


def _items(cls: Any, what: str) -> Any:
    def convert(value: Any) -> list[Any]:
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            raise TypeError(f"{what} is a list, not {type(value).__name__}")
        return [make(cls, item)._json() for item in value]
    return convert



# keyword: (key of the library's object, what makes its value)
_KEYWORDS: dict[str, tuple[str, Any]] = {
    "image": ("image", _image),
    "snapshot": ("snapshot", path),
    "cpus": ("cpus", lambda v: integer(v, "cpus")),
    "memory": ("memory_mib", mib),
    "env": ("env", lambda v: pairs(v, "env")),
    "labels": ("labels", lambda v: pairs(v, "labels")),
    "entrypoint": ("entrypoint", lambda v: texts(v, "entrypoint")),
    "cmd": ("cmd", lambda v: texts(v, "cmd")),
    "init": ("init", _init),
    "scripts": ("scripts", lambda v: pairs(v, "scripts")),
    "rlimits": ("rlimits", _rlimits),
    "max_duration": ("max_duration_s", lambda v: seconds(v, "max_duration")),
    "idle_timeout": ("idle_timeout_s", lambda v: seconds(v, "idle_timeout")),
    "replace": ("replace", bool),
    "replace_with_timeout": ("replace_timeout_ms", lambda v: ms(v, "replace_with_timeout")),
    "ephemeral": ("ephemeral", bool),
    "metrics_interval": ("metrics_interval_ms", lambda v: round(
        number(v, "metrics_interval") * 1000)),
    "volumes": ("mounts", _mounts),
    "patches": ("patches", _items(PatchConfig, "patches")),
    "ports": ("ports", ports_json),
    "network": ("network", _network),
    "secrets": ("secrets", _items(SecretEntry, "secrets")),
    "on_secret_violation": ("on_secret_violation", violation_json),
    "startup": ("startup", lambda v: texts(v, "startup")),
}
for _name in ("workdir", "shell", "hostname", "user", "pull_policy", "log_level", "engine",
              "engine_jail", "engine_mode"):
    _KEYWORDS[_name] = (_name, lambda v, what=_name: text(v, what))


def _registry(options: dict[str, Any]) -> dict[str, Any]:
    auth, ca = options.pop("registry_auth", None), options.pop("registry_ca_certs", None)
    login = None if auth is None else make(RegistryAuth, auth)
    return some(username=None if login is None else login.username,
                password=None if login is None else login.password,
                insecure=options.pop("registry_insecure", None),
                ca_certs=None if ca is None else path(ca))


def options_json(options: Mapping[str, Any]) -> tuple[str, bool]:
    """The object for msb_config_apply_json(), and whether the sandbox is attached."""
    left = {key: value for key, value in options.items() if value is not None}
    attached = not left.pop("detached", False)
    registry = _registry(left)
    found: dict[str, Any] = {"attached": attached}
    if registry:
        found["registry"] = registry
    for keyword, value in left.items():
        if keyword not in _KEYWORDS:
            raise TypeError(f"Sandbox.create() has no option {keyword!r}")
        key, convert = _KEYWORDS[keyword]
        found[key] = convert(value)
    return json.dumps(found), attached


__all__ = ["InitConfig", "SandboxOptions"]
