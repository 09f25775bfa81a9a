printf %s "$PASSWORD" | skopeo login --username "$USERNAME" --password-stdin "$HOST"
skopeo copy "$IMAGE" "docker://$HOST/clients/skopeo:1"
skopeo copy "docker://$HOST/clients/skopeo:1" "dir:$BOX/pulled"
printf 'sha256:%s\n' "$(sha256sum < "$BOX/pulled/manifest.json" | cut -d' ' -f1)"
