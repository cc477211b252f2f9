"""The pages: each a function that draws what it is given. What they ask is in `chatreel.analytics.queries`."""
