"""Where in a text there is something that must not be shown: each module knows one way to tell."""
