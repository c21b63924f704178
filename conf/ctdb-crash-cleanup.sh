#!/bin/sh
# For cron or a service manager: takes the public addresses off this node's interfaces when no ctdbd runs here. With our
# daemon that is a last resort: the addresses are leased, and its guard removes them when the daemon dies.

base=${CTDB_BASE:-/etc/ctdb}
run=${CTDB_RUNDIR:-/run/ctdb}
read -r pid 2>/dev/null <"$run/ctdbd.pid" && kill -0 "$pid" 2>/dev/null && exit 0
[ -r "$base/public_addresses" ] || {
  echo "$base/public_addresses can't be read: nothing is removed" >&2
  exit 1
}
while read -r address _; do
  case $address in '' | \#*) continue ;; esac
  plain=${address%/*}
  # One address may stand on several interfaces, each with a mask of its own.
  ip -o addr show to "$plain" | while read -r _ interface _ found _; do
    # Without this the kernel removes the host's own addresses of the same network too.
    echo 1 2>/dev/null >"/proc/sys/net/ipv4/conf/$interface/promote_secondaries"
    ip addr del "$found" dev "$interface" && logger -t ctdb-crash-cleanup "removed $found from $interface"
  done
done <"$base/public_addresses"
