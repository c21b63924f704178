#!/bin/sh
# Run by ctdbd with a process id and an event when a script of that event has had its time, if [event] debug script of
# ctdb.conf names it. What it prints goes to ctdbd's log. ctdbd itself logs the script's processes with their kernel
# stacks; this adds what else may explain them, and is the place for the admin's own questions. It has 10 s.

pid=$1 event=$2
echo "hung script: process $pid, event $event"
if command -v pstree >/dev/null; then
  pstree -a -p -l "$pid"
else
  ps -o pid,ppid,stat,wchan:24,args -g "$pid"
fi
echo "processes that wait for a disk or a filesystem:"
ps -e -o pid,stat,wchan:24,args | awk '$2 ~ /^D/'
# The event daemon is asked last: before the end of init it does not answer.
[ "$event" = init ] || timeout 3 ctdb scriptstatus "$event"
exit 0
