"""Run jobs outside of Lambda.

worker    receives firings from the queue `work`, with child processes (child)
celery    adapter for Celery; rq: for RQ. Each is named as a value of RUN_BY.
delivery  one delivery of a firing by any of them
"""
