"""The program: all commands together."""

from chatreel.cli import cassettes, dashboard, figures, health, identity, keeping, money, serving
from chatreel.cli.app import app

__all__ = ["app", "cassettes", "dashboard", "figures", "health", "identity", "keeping", "money", "serving"]
