# The day of a dev machine, and a controller to work on. `make help` has everything else.
#
#   set MID (just machine-create)         its id; sh: MID=$(just machine-create)
#   just machine-port-forward $MID        then, in another terminal: ssh -p 2222 dev@127.0.0.1
#   just machine-delete $MID
#
# `ssh qwex-NAME` needs no forwarded port: `qwex machine list` has the name, docs/machines.md the rest.

qwex := env_var_or_default("QWEX", "qwex")

# this list
default:
    @{{ just_executable() }} --justfile {{ quote(justfile()) }} --list

# make a dev machine and print its id; flags are those of qwex machine create
[no-exit-message]
[positional-arguments]
machine-create *FLAGS:
    @{{ qwex }} machine create "dev-$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')" --quiet "$@"

# have a port of this computer lead to the machine's ssh server, until Ctrl-C
[no-exit-message]
machine-port-forward MID PORT="2222":
    @echo "ssh -i '$({{ qwex }} machine key --file)' -p {{ PORT }} dev@127.0.0.1" >&2
    @{{ qwex }} machine port-forward {{ quote(MID) }} {{ quote(PORT + ":2222") }}

# delete a machine; its home is kept, unless --purge follows
[no-exit-message]
[positional-arguments]
machine-delete MID *FLAGS:
    @{{ qwex }} machine delete "$@"

# run your controller here, again with each change of its code; flags are those of qwex controller serve
[no-exit-message]
[positional-arguments]
ctrl-dev *FLAGS:
    #!/bin/sh
    set -eu
    tokens="${QWEX_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/qwex}/dev-tokens"
    if [ ! -s "$tokens" ]; then
        (umask 077 && mkdir -p "$(dirname "$tokens")" &&
            echo "$(id -un):$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$tokens")
    fi
    # Commands on this computer reach it as they reach any; a program elsewhere needs the token.
    {{ qwex }} controller stop >&2
    exec {{ qwex }} controller serve --reload --token-file "$tokens" "$@"
