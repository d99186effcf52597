"""CDK app: templates built from the job declarations and shared/tables.py.

No module here names a job.
"""
