"""Parts of the console's pages: layout, tables, badges, charts, times."""
