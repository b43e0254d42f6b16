# SPDX-License-Identifier: Apache-2.0
"""What all groups of t_serve.py share: the agent under test, and a case that has one."""
import os
import pathlib
import time
import unittest

from agent_client import DEADLINE, Agent

ROOT = os.geteuid() == 0
STEP = 33554431


def agent_path():
    return os.environ["MSB_TEST_AGENT"]


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def wait_gone(case, pid):
    """It is somebody else's child: gone, or a zombie until that one looks."""
    end = time.monotonic() + DEADLINE
    while state_of(pid) not in ("Z", "X", "gone"):
        case.assertLess(time.monotonic(), end)
        os.sched_yield()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a = Agent(agent_path())

    @classmethod
    def tearDownClass(cls):
        code = cls.a.close()
        assert code == 0, f"the agent ended with {code}"
