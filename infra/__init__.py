"""The template, made from the declarations in functions/ and shared/tables.py. Nothing in here names a job."""
