"""Prints what python-dotenv reads from each file that is named on stdin, one a line, as JSON."""

import json
import logging
import sys

from dotenv import dotenv_values

logging.disable(logging.CRITICAL)
files = sys.stdin.read().splitlines()
print(json.dumps([dotenv_values(file) for file in files]))
