"""Adapters for the cases of the group `mesh`."""

from __future__ import annotations

from ..cases import Adapter

ADAPTERS: dict[str, Adapter] = {}
