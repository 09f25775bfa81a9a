name="$HOST/clients/docker:1"
dockerd --bridge=none --iptables=false > "$BOX/dockerd.log" 2>&1 &
tries=0
until docker version > /dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ]; then tail -5 "$BOX/dockerd.log" >&2; exit 1; fi
  sleep 0.2
done
printf %s "$PASSWORD" | docker login --username "$USERNAME" --password-stdin "$HOST"
skopeo copy "$IMAGE" "docker-archive:$BOX/image.tar:$name"
docker load --input "$BOX/image.tar"
docker push "$name"
docker rmi "$name"
docker pull "$name"
docker image inspect --format '{{index .RepoDigests 0}}' "$name" | cut -d@ -f2
