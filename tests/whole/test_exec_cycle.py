#!/usr/bin/python3
"""The whole HTTP cycle, by `rxp-worker exec`: cycle_rows.py."""
import cycle_rows
from execution import Executions
from tap import run_all

cycle_rows.RUNS.carrier = Executions()

if __name__ == "__main__":
    run_all()
