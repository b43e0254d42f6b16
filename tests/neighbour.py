# SPDX-License-Identifier: Apache-2.0
"""Modules of one suite for another: each has its own conftest."""
import importlib.util
import sys


def load(name, path):
    """The module in this file, known by this name."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
