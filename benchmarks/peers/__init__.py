"""The peers: other ways to do the same work, held to the same result."""
