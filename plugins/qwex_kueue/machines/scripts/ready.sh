#!/bin/sh
# Whether somebody listens on port 2222 (08AE) of the loopback: a probe of the kubelet's own comes from outside the pod.
# A server that is not there yet has some seconds: the kubelet looks no more often than once a second.
tries=0
while [ "$tries" -lt 300 ]; do
  while read -r _ local _ state _; do
    [ "$local" = "0100007F:08AE" ] && [ "$state" = "0A" ] && exit 0
  done < "${QWEX_PROC:-/proc}/net/tcp"
  tries=$((tries + 1))
  sleep 0.05
done
exit 1
