//! What the OCI distribution and image specifications name: digests, names, references, manifests, error codes. No I/O.
