#!/bin/sh
# Before the machine ends, whatever the reason: every shell is told, then the owner's own command runs in the home.
machine=${QWEX_SECRET:-/qwex/machine}
sh "$machine/tell" "this machine stops now. Its home is kept."
if [ -s "$machine/pre-stop" ]; then
  cd "$HOME" || exit 1
  # Without it, Kubernetes ends the command, and the machine with it, a little later.
  if command -v timeout > /dev/null; then exec timeout "${QWEX_GRACE:-30}" sh "$machine/pre-stop"; fi
  exec sh "$machine/pre-stop"
fi
