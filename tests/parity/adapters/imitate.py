"""Adapters for the cases of the group `imitate`."""

from __future__ import annotations

from ..cases import Adapter

ADAPTERS: dict[str, Adapter] = {}
