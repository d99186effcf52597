"""Acts of operators in the console: preview, confirmation, result."""
