use crate::{
    config::{Auth, Config, Version},
    entrepot::Entrepot,
    env,
    error::{ConfigError, Problem, Warning},
    http::Http,
    log::Log,
    reader::{Reader, Section},
    storage::Storage,
    tree::Node,
};

/// What the images of registry:2 and registry:3 start with.
const WITHOUT_FILE: &str = "\
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: 0.0.0.0:5000
  debug:
    addr: :5001
    prometheus:
      enabled: true
      path: /metrics
";

impl Config {
    /// Reads a configuration file (`yaml`; none: what the registry:2 image starts with) and writes the `REGISTRY_*`
    /// variables among `variables` over it.
    ///
    /// Variables are applied in lexical order. `REGISTRY_A_B` is the key `a.b`, its value a YAML value, list entries go
    /// by index (`REGISTRY_ENTREPOT_TLS_CERTIFICATES_0_KEY`); `REGISTRY_STORAGE=filesystem` and `REGISTRY_AUTH=htpasswd` choose a kind. Variables that
    /// Kubernetes injects for a Service called `registry` are passed over.
    pub fn load(
        yaml: Option<&str>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let mut root = Node::parse(yaml.unwrap_or(WITHOUT_FILE))?;
        let (problems, warnings) = env::apply(&mut root, variables);
        let mut reader = Reader { problems, warnings };
        let mut document = reader.document(root);
        let config = read(&mut reader, &mut document);
        finish(&mut reader, document);
        if reader.problems.is_empty() {
            Ok((config, reader.warnings))
        } else {
            Err(ConfigError { problems: reader.problems })
        }
    }
}

fn read(reader: &mut Reader, document: &mut Section) -> Config {
    read_version(reader, document);
    for key in ["storage", "auth"] {
        if let Some(node) = document.node(key) {
            env::normalise_choice(node);
        }
    }
    let log = reader.section(document, "log");
    let log = Log::read(reader, log);
    let storage = reader.section(document, "storage");
    let storage = Storage::read(reader, storage);
    let auth = Auth::read(reader, document);
    let http = reader.section(document, "http");
    let http = Http::read(reader, http);
    let secret_place = document.place_of("entrepot");
    let entrepot = reader.section(document, "entrepot");
    let entrepot = Entrepot::read(reader, entrepot);
    if let (Some(_), Some(_), Some(place)) = (&http.secret, &entrepot.http.secret_file, secret_place) {
        let (key, expected) =
            ("entrepot.http.secretFile".into(), "and http.secret exclude each other".into());
        reader.problems.push(Problem::Invalid { place, key, expected });
    }
    if let (None, Some(pair)) = (&http.tls, entrepot.tls.certificates.first()) {
        let remedy = format!(
            "entrepot.tls.certificates adds to a default certificate; name that, for example {}, in http.tls",
            pair.certificate.display()
        );
        reader.problems.push(Problem::Missing { key: "http.tls".into(), remedy });
    }
    Config { version: Version, log, storage, auth, http, entrepot }
}

fn read_version(reader: &mut Reader, document: &mut Section) {
    let place = document.place_of("version");
    match (reader.string(document, "version").as_deref(), place) {
        (Some("0.1" | "0.10"), _) => {}
        (Some(_), Some(place)) => {
            let (key, expected) = ("version".into(), "must be 0.1".into());
            reader.problems.push(Problem::Invalid { place, key, expected });
        }
        (_, _) => {
            let remedy = "begin the file with `version: 0.1`".into();
            reader.problems.push(Problem::Missing { key: "version".into(), remedy });
        }
    }
}

/// Sections of distribution's that this server does not have.
fn finish(reader: &mut Reader, mut document: Section) {
    let refused = [
        ("middleware", "nothing can be put between this server and its storage; remove the key"),
        ("proxy", "this server does not mirror another one; remove the key"),
        ("validation", "every manifest is validated and none by its URLs; remove the key"),
        ("policy", "repositories are not restricted by class; remove the key"),
    ];
    for (key, remedy) in refused {
        reader.refuse(&mut document, key, remedy);
    }
    reader.ignore(
        &mut document,
        &["loglevel", "notifications", "redis", "health", "compatibility", "catalog", "reporting"],
    );
    reader.refuse_the_rest(&document, &["version", "log", "storage", "auth", "http", "entrepot"]);
}
