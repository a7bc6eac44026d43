#!/bin/sh
# What a machine's container runs: an ssh server on the pod's loopback, and a look at what goes on, until it is told
# to end. Needs sh and an OpenSSH server, in the image or brought along (see bring.sh); no root and no capabilities.
set -u
machine=${QWEX_SECRET:-/qwex/machine} run=${QWEX_RUN:-/qwex/run} proc=${QWEX_PROC:-/proc}
ssh=$run/ssh

# Kubernetes keeps what is said there with the container's end, and qwex shows it.
refuse() {
  echo "qwex: $1" >&2
  echo "$1" > "${QWEX_LAST_WORDS:-/dev/termination-log}"
  exit "$2"
}

if [ ! -w "$HOME" ] || [ ! -x "$HOME" ]; then
  refuse "its home $HOME cannot be written by user $(id -u): $(ls -ld "$HOME" 2>&1). Make it again with another\
 --storage-class, or have who runs the cluster make volumes of this one writable (fsGroup)" 77
fi

mkdir -p "$run/key" && chmod 700 "$run/key" || exit 1
cp "$machine/ssh_host_ed25519_key" "$run/key/host" && chmod 600 "$run/key/host" || exit 1

# Said in the container's log, and to everybody who logs in.
sh "$machine/driver" > "$run/notice"
sed 's/^/qwex: /' "$run/notice" >&2

# A session of sshd's sees nothing of this environment but what is said here.
quoted() {
  case $2 in *'
'*) return ;; esac
  printf ' "%s=%s"' "$1" "$(printf %s "$2" | sed 's/[\\"]/\\&/g')"
}
variables() {
  printf SetEnv
  quoted QWEX_MACHINE "$QWEX_MACHINE"
  for name in PATH LD_LIBRARY_PATH $(env | sed -n 's/^\(NVIDIA_[A-Z_]*\|CUDA_[A-Z_]*\|ROCM_[A-Z_]*\)=.*/\1/p') $QWEX_VARIABLES; do
    eval "[ -z \"\${$name+x}\" ]" || eval "quoted $name \"\$$name\""
  done
  echo
}
{
  echo "ListenAddress 127.0.0.1"
  echo "Port 2222"
  echo "HostKey $run/key/host"
  echo "PidFile $run/sshd.pid"
  echo "AuthorizedKeysFile $machine/authorized_keys"
  # The keys lie in a Secret, whose folder anybody may write as far as its mode says; it is mounted read-only.
  echo "StrictModes no"
  echo "UsePAM no"
  if [ -s "$machine/password" ]; then echo "PasswordAuthentication yes"; else echo "PasswordAuthentication no"; fi
  echo "KbdInteractiveAuthentication no"
  echo "PermitRootLogin no"
  echo "AllowTcpForwarding yes"
  echo "AllowStreamLocalForwarding yes"
  echo "AllowAgentForwarding yes"
  echo "GatewayPorts no"
  echo "PermitTunnel no"
  echo "X11Forwarding no"
  echo "MaxAuthTries 6"
  echo "MaxStartups 100:30:200"
  echo "ClientAliveInterval 30"
  echo "ClientAliveCountMax 4"
  echo "PrintMotd no"
  if [ -s "$run/notice" ]; then echo "Banner $run/notice"; fi
  echo "Subsystem sftp internal-sftp"
  [ ! -e "$ssh/sshd-session" ] || echo "SshdSessionPath $ssh/sshd-session"
  [ ! -e "$ssh/sshd-auth" ] || echo "SshdAuthPath $ssh/sshd-auth"
  variables
} > "$run/sshd_config" || exit 1

if [ -e "$ssh/sshd" ]; then
  # In one process for each connection, if it can (-r): it could not find itself to start itself anew.
  set -- "$ssh/sshd-loader" --library-path "$ssh/lib" "$ssh/sshd" -r
  unset LD_PRELOAD
  export OPENSSL_CONF=/dev/null  # the image's own is for another version
else
  for sshd in "$(command -v sshd)" /usr/sbin/sshd /usr/sbin/sshd.pam /usr/local/sbin/sshd; do
    if [ -x "$sshd" ]; then break; fi
  done
  set -- "$sshd"
  if [ ! -x "$sshd" ]; then
    refuse "this image has no OpenSSH server, and [kueue] machine_image names none to bring along" 127
  fi
fi
"$@" -D -e -f "$run/sshd_config" &
server=$!
# Without it nobody would be seen to use the machine, and nobody not to.
while :; do sh "$machine/activity"; sleep 5; done &
look=$!

# Tells all processes of the machine but this one and ssh's servers, which carry what the shells say at their end. Fails
# when there are none. Nothing runs beside it here, so that all that it finds are others'.
tell_all() {
  told=1
  for stat in "$proc"/[0-9]*/stat; do
    { read -r line < "$stat"; } 2> /dev/null || continue
    pid=${line%% *}
    [ "$pid" = "$$" ] && continue
    case $line in *"(sshd"* | *") Z "* | *") X "*) continue ;; esac
    kill "$@" "$pid" 2> /dev/null && told=0
  done
  return "$told"
}

# They have about two seconds to end, of those that Kubernetes leaves.
end() {
  trap '' TERM INT
  kill "$look" 2> /dev/null
  tell_all -s HUP
  tell_all -s TERM
  tell_all -s CONT
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    tell_all -s 0 || break
    sleep 0.1
  done
  kill "$server" 2> /dev/null
}
trap end TERM INT
# The first wait ends with a signal, the second with the server.
wait "$server"; wait "$server"
