"""What ended or was narrowed, in an order that guards of other services follow."""

from latchkey.endings.record import Ending, Kind, note, purge

__all__ = ["Ending", "Kind", "note", "purge"]
