# The context is a folder with the static binary alone.
FROM scratch
COPY registry /bin/registry
# No USER, as in registry:2: a volume that root wrote must be readable. The operator's Pods run as 65532.
VOLUME ["/var/lib/registry"]
EXPOSE 5000
ENTRYPOINT ["/bin/registry"]
CMD ["serve"]
