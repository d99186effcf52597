"""Jobs on messages, and on what is kept of them and counted."""
