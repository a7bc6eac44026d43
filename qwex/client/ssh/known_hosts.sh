# qwex made this. ssh runs it to hear the host key of a machine: $1 is what it calls the machine, $2 and $3 are the kind
# and the base64 of the key that the machine shows, or NONE when ssh only asks which kind to prefer.
case $1 in
'['*) host=${1#?} host=${host%%]*} ;;
*) host=$1 ;;
esac
name=${host#qwex-}
case $name in
'' | *[!a-z0-9-]*) exit 0 ;;
esac
[ -r "${0%/*}/machines/$name.pub" ] || exit 0
read -r kind key rest <"${0%/*}/machines/$name.pub"
printf '%s %s %s\n' "$1" "$kind" "$key"
if [ "$2" != NONE ] && [ "$2 $3" != "$kind $key" ]; then
    echo "qwex: the machine $name shows another host key than the one it was made with, so ssh does not connect." \
        "Somebody may be in between, or it was made anew elsewhere: qwex machine list takes its new one." \
        "One that you joined is left first, and joined again with what they share now." >&2
fi
