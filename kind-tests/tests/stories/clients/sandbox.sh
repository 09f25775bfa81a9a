# A machine of its own for one client: what it writes to /etc, /var/lib and /run goes with it.
mkdir "$BOX/etc" "$BOX/etc-work" "$BOX/var-lib" "$BOX/tmp"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$BOX/etc,workdir=$BOX/etc-work" /etc
mount --bind "$BOX/var-lib" /var/lib
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
export TMPDIR="$BOX/tmp" XDG_RUNTIME_DIR=/run
echo "$ADDRESS $HOST" >> /etc/hosts
# Docker, podman and skopeo all look here for the authorities of a registry.
mkdir -p "/etc/docker/certs.d/$HOST"
cp "$BOX/ca.crt" "/etc/docker/certs.d/$HOST/ca.crt"
