"""Ends a play between two tasks when the file named by FIRSTLIGHT_STOP exists."""

from __future__ import annotations

import os.path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: firstlight_stop
type: aggregate
short_description: Ends a play between two tasks
description:
  - Looks for the file named by the environment variable FIRSTLIGHT_STOP before each task.
"""


class CallbackModule(CallbackBase):
    """Asked by ansible before each task and handler starts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "firstlight_stop"

    def v2_playbook_on_task_start(self, task, is_conditional):
        """Stop before a task."""
        self._stop_if_asked()

    def v2_playbook_on_handler_task_start(self, task):
        """Stop before a handler."""
        self._stop_if_asked()

    def _stop_if_asked(self):
        flag = os.environ.get("FIRSTLIGHT_STOP")
        if flag and os.path.exists(flag):  # noqa: PTH110
            raise KeyboardInterrupt
