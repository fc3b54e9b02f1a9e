"""Runs the Python that the product's documentation prints, against a running API.

usage: documentation.py BASE KEY

Prints one line of JSON: what each request answered.
"""

import json
import sys
import time

import requests

base, key = sys.argv[1:]
url = f"{base}/api/v1/cpo/fleet/summary"
headers = {"Authorization": f"Bearer {key}"}


def call_with_backoff(url, headers, max_retries=3):
    for attempt in range(max_retries):
        response = requests.get(url, headers=headers)
        if response.status_code == 429:
            retry_after = response.json().get("retry_after", 60)
            time.sleep(retry_after)
            continue
        return response
    raise Exception("Rate limit retries exhausted")


plain = requests.get(url, headers=headers)
direct = requests.get(url, headers={"X-API-Key": key})
patient = call_with_backoff(url, headers)
print(json.dumps([{"status": answer.status_code, "body": answer.json()} for answer in (plain, direct, patient)]))
