"""What the product's rows are: a model for each table. Import them, and pydantic with them, where rows are written or
looked at one by one; what only counts or deletes rows reads them as they are."""
