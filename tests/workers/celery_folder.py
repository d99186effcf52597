"""Celery's configuration where the broker is a folder: CELERY_CONFIG_MODULE names this module."""

from __future__ import annotations

import os

folder = os.environ["CELERY_FOLDER"]
broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": folder,
    "data_folder_out": folder,
    "control_folder": f"{folder}/control",
    "store_processed": False,
}
worker_hijack_root_logger = False
# Seconds until a process that is gone counts as lost; 10 where nothing is said.
worker_lost_wait = 1.0
