#!/bin/sh
# Run by ctdbd while a record lock is waited for too long, if [database] lock debug script of ctdb.conf names it:
#   debug_locks.sh PID {DB|RECORD} FILE {FCNTL|MUTEX}
# PID waits for a lock of FILE. ctdbd itself logs who holds the lock, with its kernel stack; this shows all processes
# that have the file open, and is the place for the admin's own questions. What it says goes to the system log, or to stdout if
# somebody reads that.

[ $# -eq 4 ] || {
  echo "usage: $0 <pid> { DB | RECORD } <tdb_path> { FCNTL | MUTEX }" >&2
  exit 1
}
waiter=$1 scope=$2 file=$3 kind=$4
inode=$(stat -c %i "$file" 2>/dev/null) || {
  echo "$0: $file can't be read" >&2
  exit 1
}

process() {
  echo "process $1: $(ps -p "$1" -o stat=,wchan:24=,args= 2>/dev/null)"
  # Root may read it; where the kernel has none there is nothing to show.
  sed 's/^/    /' "/proc/$1/stack" 2>/dev/null
}

report() {
  echo "lock of $scope in $file ($kind) is waited for by process $waiter"
  # /proc/locks: number, [->] type, kind, mode, process, device:inode, first and last byte. -> marks who waits.
  awk -v inode="$inode" -v file="$file" '
    { waits = ($2 == "->"); at = waits ? 6 : 5; n = split($(at + 1), place, ":") }
    place[n] == inode { print (waits ? "waits: " : "holds: ") "process " $at ", " $(at - 1) " lock of bytes " $(at + 2) "-" $(at + 3) }
  ' /proc/locks
  echo "processes that have the file open:"
  for fd in /proc/[0-9]*/fd/*; do
    [ "$fd" -ef "$file" ] && expr "$fd" : '/proc/\([0-9]*\)/'
  done 2>/dev/null | sort -un | while read -r pid; do process "$pid"; done
}

# ctdbd does not listen.
if [ "$(readlink "/proc/$$/fd/1")" = /dev/null ]; then
  report | logger -t ctdb-debug-locks
else
  report
fi
