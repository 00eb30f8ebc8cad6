"""Every route to a posterior on the problems of the collection, scored against their reference posteriors."""

from .routes import ROUTES, Route
from .run import as_markdown, problems, scoreboard
from .score import Score, score

__all__ = ["ROUTES", "Route", "Score", "as_markdown", "problems", "score", "scoreboard"]
