"""fail2ban's own classes and its own sshd filter over a log file, without its server: what does a line cost?

    python3 fail2ban-filter.py FILE  ->  {"lines": ..., "matches": ..., "cpuSeconds": ...}

The filter is read from /etc/fail2ban as fail2ban's jail reads it, mode "normal". Names are never asked of DNS. The clock starts
when the filter is compiled and the file is in memory.
"""

import json
import sys
import time

sys.path.insert(0, "/usr/lib/python3/dist-packages")
from fail2ban.client.filterreader import FilterReader
from fail2ban.server.filter import Filter

reader = FilterReader("sshd", "bench", {}, share_config={}, basedir="/etc/fail2ban")
reader.read()
reader.applyAutoOptions("auto")
reader.getOptions(None)

sshd = Filter(None)
sshd.setUseDns("no")
# The corpus is of no particular day: every date is taken.
sshd.checkFindTime = False
for command in reader.convert():
    key, values = command[2], command[3] if command[0] == "multi-set" else command[3:]
    for value in values:
        if key == "prefregex":
            sshd.prefRegex = value
        elif key == "addfailregex":
            sshd.addFailRegex(value)
        elif key == "addignoreregex":
            sshd.addIgnoreRegex(value)
        elif key == "maxlines":
            sshd.setMaxLines(value)
        elif key == "datepattern":
            sshd.setDatePattern(value)

with open(sys.argv[1], encoding="utf-8") as file:
    lines = file.read().splitlines()
matches = 0
started = time.process_time()
for line in lines:
    matches += len(sshd.processLine(line))
print(json.dumps({"lines": len(lines), "matches": matches, "cpuSeconds": time.process_time() - started}))
