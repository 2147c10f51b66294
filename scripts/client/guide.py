"""What the help shows beside each command's own words: groups, in order, and examples."""

GROUPS = {
    "Documents in, results out": ("run", "submit", "resume", "wait", "fetch"),
    "How a job stands": ("status", "report", "jobs", "cancel", "retry"),
    "For those who go on from the results": ("index", "presign"),
    "For whoever runs it": ("doctor", "policy", "sweep"),
    "Without an account": ("serve", "webhook"),
}

START = """
To begin, without an account:

\b
  outbox serve . --bucket .outbox/bucket
      a stand-in for Baseten; prints what to export in another terminal
  outbox run data/examples --job first --to results/
      send, wait and fetch in one
  outbox report first
      the job on one page
"""

EXAMPLES = {
    "run": (
        "run scans/ --job march --to results/",
        "run scans/ --job march --to results/ --json >out.json 2>log.jsonl",
    ),
    "submit": (
        "submit scans/ --job march --label customer=7",
        "submit scan.pdf --job march --set pages=1-3 --priority 0",
        "submit scan.pdf --job march --set 'artifacts=[\"text.txt\"]'",
    ),
    "resume": ("resume march",),
    "wait": ("wait march", "wait march --timeout 600"),
    "fetch": ("fetch march --to results/",),
    "status": ("status march", "status march --json"),
    "report": ("report march", "report march --to march.html"),
    "jobs": ("jobs",),
    "cancel": ("cancel march", "cancel march scan-1.pdf"),
    "retry": ("retry march",),
    "index": ("index march",),
    "presign": ("presign march scan-1.pdf --expires 1h",),
    "doctor": ("doctor",),
    "policy": ("policy --for writer", "policy --for bucket"),
    "sweep": ("sweep --older-than 24h", "sweep --older-than 24h --delete"),
    "serve": ("serve . --bucket .outbox/bucket",),
}
"""Command lines after `outbox`; the tests parse each of them."""
