# The context is a folder with the static binary alone.
FROM scratch
COPY operator /bin/operator
# Nobody: the node agent, which writes to its node as root, says so in its Pod.
USER 65532:65532
ENTRYPOINT ["/bin/operator"]
