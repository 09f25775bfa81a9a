name="$HOST/clients/podman:1"
podman="podman --cgroup-manager=cgroupfs --events-backend=file"
printf %s "$PASSWORD" | $podman login --username "$USERNAME" --password-stdin "$HOST"
skopeo copy "$IMAGE" "containers-storage:$name"
$podman push --digestfile "$BOX/digest" "$name"
$podman rmi --all --force
$podman pull --quiet "$name"
test "$($podman image inspect --format '{{.Digest}}' "$name")" = "$(cat "$BOX/digest")"
cat "$BOX/digest"
