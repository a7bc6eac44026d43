#!/bin/sh
# Says in one line when Kubernetes gave the machine GPUs of NVIDIA's and their driver is not to be seen in it; nothing
# when all is well, or when it asked for none ($QWEX_GPUS). Needs sh.
gpus=${QWEX_GPUS-} root=${QWEX_ROOT-}
[ -n "$gpus" ] || exit 0

# Under WSL all GPUs are one device.
devices() {
  for device in "$root"/dev/nvidia[0-9]* "$root/dev/dxg"; do
    [ -e "$device" ] && return
  done
  return 1
}

library() {
  old=$IFS
  IFS=:
  for folder in ${LD_LIBRARY_PATH-} /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib \
    /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/wsl/lib; do
    [ -e "$root$folder/libcuda.so.1" ] && IFS=$old && return
  done
  IFS=$old
  [ -z "$root" ] && PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2> /dev/null | grep -q 'libcuda\.so\.1 '
}

has="this machine has $gpus GPU$([ "$gpus" = 1 ] || echo s) by Kubernetes, but"
if ! devices; then
  echo "$has no NVIDIA driver is visible in it: there is no /dev/nvidia0. Ask whoever runs the cluster whether the" \
    "node's containers run with NVIDIA's runtime (runtime class nvidia)."
elif ! library; then
  echo "$has programs do not find their driver: there is no libcuda.so.1. Make it again with" \
    "--env NVIDIA_DRIVER_CAPABILITIES=compute,utility, or look at LD_LIBRARY_PATH in the image."
fi
