"""Drain queues over HTTP.

A Function URL of its own: break-glass may touch no queue.
"""
