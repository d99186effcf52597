"""Pages of the console, one module each with `page(view)`."""
