#!/bin/sh
# Says every so often what goes on in the machine, as a line of the container's log: the one thing that needs no way in.
#
#   qwex-activity <now> <when something last went on> <what goes on, several with ;>
#
# Somebody is logged in, a terminal shows something new, a process works, or a GPU does. And it tells the shells before
# a limit of the machine's is reached; those are in the Secret, which may change. Needs sh, sed, date, touch, mv, sleep.
run=${QWEX_RUN:-/qwex/run} machine=${QWEX_SECRET:-/qwex/machine} longest=${QWEX_EVERY:-20} proc=${QWEX_PROC:-/proc} terminals=${QWEX_PTS:-/dev/pts}
# Percent of a core, and of a GPU, from which on that counts.
busy=5

connections() {
  count=0 ended=0
  while read -r _ local remote state _ timer _; do
    case $local:$state in *:08AE:01) count=$((count + 1)) ;; esac
    # One that was closed, by either side, is kept for a minute, with the hundredths of a second that are left of it.
    case $local:$remote:$state in *:08AE:06 | *:08AE:*:06)
      [ "$((6000 - 0x${timer#*:}))" -le "$(((looked - before + 2) * 100))" ] && ended=$((ended + 1)) ;;
    esac
  done < "$proc/net/tcp"
  [ "$count" -gt 0 ] && printf '%s ssh connection%s;' "$count" "$([ "$count" -gt 1 ] && echo s)"
  [ "$ended" -gt 0 ] && printf '%s ssh connection%s that ended;' "$ended" "$([ "$ended" -gt 1 ] && echo s)"
}

shown() {
  for terminal in "$terminals"/[0-9]*; do
    [ -e "$terminal" ] && [ "$terminal" -nt "$run/looked" ] && printf 'terminal %s;' "${terminal##*/}"
  done
}

# Ticks of each process so far, one "pid ticks name" a line; this script and the server do not count.
ticks() {
  for stat in "$proc"/[0-9]*/stat; do
    { read -r line < "$stat"; } 2>/dev/null || continue
    pid=${line%% *} name=${line#*\(} rest=${line##*\) }
    name=${name%)*}
    case $name in sshd* | sleep) continue ;; esac
    [ "$pid" = "$$" ] && continue
    set -- $rest
    # Those of children that have ended count for it; a name may have the end of a line in it.
    case ${12-}${13-}${14-}${15-} in '' | *[!0-9]*) continue ;; esac
    echo "$pid $((${12} + ${13} + ${14} + ${15})) $name"
  done
}

works() {
  while read -r pid now name; do
    before=$(sed -n "s/^$pid \([0-9]*\) .*/\1/p" "$run/ticks")
    [ -n "$before" ] || before=0  # it is new: all of that was since the last look
    percent=$(((now - before) / every))
    [ "$percent" -ge "$busy" ] && printf '%s (pid %s) at %s %% of a core;' "$name" "$pid" "$percent"
  done < "$run/ticks.new"
}

gpus() {
  command -v nvidia-smi > /dev/null || return
  nvidia-smi --query-gpu=index,utilization.gpu --format=csv,noheader,nounits 2> /dev/null |
    while IFS=', ' read -r index use; do
      [ "${use:-0}" -ge "$busy" ] 2> /dev/null && printf 'GPU %s at %s %%;' "$index" "$use"
    done
}

# before <seconds left> <the limit> <which one> <why, in a sentence>: ten minutes ahead, and one; sooner if it is short.
before() {
  told=$run/told-$3 ahead=$(($2 / 5)) left=$1 stage=first said=
  [ "$ahead" -gt 600 ] && ahead=600
  if [ "$left" -gt "$ahead" ]; then rm -f "$told"; return; fi
  [ "$left" -le 60 ] && left=60 stage=last
  [ -r "$told" ] && read -r said < "$told"
  [ "$said" = "$stage" ] && return
  echo "$stage" > "$told"
  sh "$machine/tell" "$4; it stops in $(((left + 59) / 60)) min. More time: qwex machine set $QWEX_MACHINE --$3 TIME"
  # What a shell is told is nothing new that its terminal shows: it is there before the next look.
  sleep 1
}

# A short limit is looked at more often.
read_limits() {
  idle=- age=-
  [ -r "$machine/limits" ] && read -r idle age < "$machine/limits"
  every=$longest
  if [ "$idle" != - ] && [ "$((idle / 6))" -lt "$every" ]; then every=$((idle / 6 + 1)); fi
}

warn() {
  [ "$idle" = - ] || before "$((idle - now + active))" "$idle" idle "nobody uses this machine"
  [ "$age" = - ] || before "$((age - now + started))" "$age" max-age "this machine has run for nearly as long as it may"
}

rm -f "$run"/told-*
touch "$run/looked"
ticks > "$run/ticks"
started=$(date +%s)
active=$started looked=$started
while read_limits; sleep "$every"; do
  before=$looked looked=$(date +%s)
  ticks > "$run/ticks.new"
  doing=$(connections; shown; works; gpus)
  now=$(date +%s)
  [ -n "$doing" ] && active=$now
  warn
  touch "$run/looked"
  mv "$run/ticks.new" "$run/ticks"
  echo "qwex-activity $now $active ${doing%;}"
  [ -n "${QWEX_ONCE-}" ] && exit
done
