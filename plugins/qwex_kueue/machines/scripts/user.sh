#!/bin/sh
# Runs in the machine's own image before it: whatever users that has, ssh's user is one of them, with the machine's home.
# Nobody is root here, so the files are written anew, and lie over the image's own in the machine.
set -eu
to=${QWEX_TO:-/qwex/run/etc} from=${QWEX_ETC:-/etc} secret=${QWEX_SECRET:-/qwex/machine}
mkdir -p "$to"

shell=/bin/sh
[ -x /bin/bash ] && shell=/bin/bash
password=x
[ -s "$secret/password" ] && read -r password < "$secret/password"

others() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in dev:*) ;; *) echo "$line" ;; esac
  done < "$1"
}
[ -r "$from/passwd" ] && while IFS=: read -r name _ _ _ _ _ own || [ -n "$name" ]; do
  if [ "$name" = dev ] && [ -x "$own" ]; then shell=$own; fi
done < "$from/passwd"

# First, so that its number is its name, too.
{
  echo "dev:$password:$QWEX_UID:$QWEX_UID:dev:$HOME:$shell"
  [ ! -r "$from/passwd" ] || others "$from/passwd"
} > "$to/passwd"
{
  echo "dev:x:$QWEX_UID:"
  [ ! -r "$from/group" ] || others "$from/group"
} > "$to/group"
