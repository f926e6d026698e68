"""Handwritten digits of 8x8 pixels: 64 inputs, 128 hidden and 10 output LIF neurons, 20 ticks.

The options it was trained with stand in its metadata (``task.options``); they are the defaults of
``ranvier train``. The expected accuracy is on the 599 digits held out.
"""

from __future__ import annotations

from ranvier.apps._app import App

__all__ = ["APP"]

APP = App(
    name="digits",
    summary="digits of 8x8 pixels, a LIF network of 64-128-10, 20 ticks of 1 ms each",
    expected=0.95,
    recipe="ranvier train --data digits",
)
