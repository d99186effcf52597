"""Models of the product's rows, one for each table.

Importing them imports pydantic, which takes time.
"""
