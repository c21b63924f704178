#!/bin/sh
# Run by ctdbd with one argument: init, setup or startup when the event of that name has succeeded, healthy or unhealthy
# when this node's health changes. Runs every executable file of notify.d/, and *.script of events/notification/, with
# the same argument, in the order of their names. What they say and a failure go to ctdbd's log; nothing waits for them.
# Files that editors and package managers leave behind are passed over.

base=${CTDB_BASE:-$(dirname "$0")}
failed=0
for hook in "$base"/notify.d/* "$base"/events/notification/*.script; do
  case $hook in *~ | *.bak | *.dpkg-* | *.rpm*) continue ;; esac
  [ -f "$hook" ] && [ -x "$hook" ] || continue
  "$hook" "$1" || {
    echo "${hook##*/} $1 ended with $?"
    failed=1
  }
done
exit $failed
