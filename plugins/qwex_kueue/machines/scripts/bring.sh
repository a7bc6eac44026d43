#!/bin/sh
# Runs in the image with the ssh server, before a machine of another image: the server goes with all that it needs to
# where the machine finds it, so that the machine's image needs none, and no C library in particular.
set -eu
to=${QWEX_TO:-/qwex/run/ssh}
mkdir -p "$to/lib"

find_server() {
  for path in "$(command -v sshd || true)" /usr/sbin/sshd /usr/sbin/sshd.pam /usr/local/sbin/sshd; do
    if [ -x "$path" ]; then echo "$path"; return; fi
  done
  echo "qwex: the image of the ssh server has none" >&2
  return 1
}

# The loader that its programs name is not where they look for it in another image; there it is run with them.
loader() {
  for path in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* /lib/ld-musl-*.so.1 /lib64/ld64.so.*; do
    if [ -x "$path" ] && "$path" --list "$1" > "$to/list" 2> /dev/null; then echo "$path"; return; fi
  done
  echo "qwex: no loader here lists the libraries of $1" >&2
  return 1
}

# A program, with the libraries that the loader finds for it: "libz.so.1 => /lib/libz.so.1 (0x7f…)".
copy() {
  ld=$(loader "$1")
  while read -r _ arrow path _; do
    case $arrow in '=>') [ -e "$to/lib/${path##*/}" ] || cp -L "$path" "$to/lib/" ;; esac
  done < "$to/list"
  # Its name is that of the process: what the machine works does not count this.
  [ -e "$to/sshd-loader" ] || cp -L "$ld" "$to/sshd-loader"
  cp -L "$1" "$2"
}

server=$(find_server)
copy "$server" "$to/sshd"
# Newer ones are three programs, of which each starts the next (OpenSSH 9.8 and 10.0).
suffix=${server##*/sshd}
for name in sshd-session sshd-auth; do
  for folder in /usr/lib/openssh /usr/lib/ssh /usr/libexec /usr/libexec/openssh /usr/local/libexec; do
    path=$folder/$name$suffix
    [ -x "$path" ] || continue
    copy "$path" "$to/$name.program"
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$to/sshd-loader" "$to/lib" "$to/$name.program" > "$to/$name"
    chmod 755 "$to/$name"
  done
done
rm -f "$to/list"
