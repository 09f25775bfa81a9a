//! From text to a configuration, whole values.

// A panic is how a test reports, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use entrepot_registry_config::{
    AccessLog, Auth, CertificatePair, Config, ConfigError, DebugListener, Delete, Entrepot, EntrepotAuth,
    EntrepotHttp, EntrepotTls, Filesystem, Formatter, GoDuration, Htpasswd, Http, Level, ListenAddress, Log,
    ManagedUsers, Prometheus, Storage, Version, Warning,
};
use rstest::rstest;

fn load(yaml: &str, variables: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), ConfigError> {
    Config::load(Some(yaml), owned(variables))
}

fn owned(variables: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    pairs.into_iter()
}

const MINIMAL: &str = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /data\n";

/// What [`MINIMAL`] is.
fn minimal() -> Config {
    Config {
        version: Version,
        log: Log { level: Level::Info, formatter: Formatter::Text, accesslog: AccessLog { disabled: false } },
        storage: Storage {
            filesystem: Filesystem { rootdirectory: "/data".into() },
            delete: Delete { enabled: false },
        },
        auth: None,
        http: Http {
            addr: ListenAddress::any_v4(5000),
            host: None,
            secret: None,
            relativeurls: false,
            draintimeout: GoDuration(Duration::from_secs(25)),
            tls: None,
            debug: None,
        },
        entrepot: Entrepot::default(),
    }
}

/// Every key set, none to its default.
fn full() -> Config {
    let pair = |name: &str| CertificatePair {
        certificate: format!("/tls/{name}.crt").into(),
        key: format!("/tls/{name}.key").into(),
    };
    Config {
        log: Log { level: Level::Debug, formatter: Formatter::Json, accesslog: AccessLog { disabled: true } },
        storage: Storage { delete: Delete { enabled: true }, ..minimal().storage },
        auth: Some(Auth {
            htpasswd: Htpasswd { realm: "Team registry".into(), path: "/auth/htpasswd".into() },
        }),
        http: Http {
            addr: ":5443".parse().unwrap(),
            host: Some("https://registry.example.com".parse().unwrap()),
            secret: None,
            relativeurls: true,
            draintimeout: GoDuration(Duration::from_millis(1500)),
            tls: Some(pair("main")),
            debug: Some(DebugListener {
                addr: "[::1]:5001".parse().unwrap(),
                prometheus: Prometheus { enabled: true, path: "/m".into() },
            }),
        },
        entrepot: Entrepot {
            http: EntrepotHttp { secret_file: Some("/keys/http-secret".into()) },
            tls: EntrepotTls { certificates: vec![pair("a"), pair("b")] },
            auth: EntrepotAuth {
                managed: Some(ManagedUsers {
                    path: "/auth/managed".into(),
                    pull_only: vec!["pull".into(), "123".into()],
                }),
            },
        },
        ..minimal()
    }
}

#[rstest]
#[case::minimal(minimal())]
#[case::full(full())]
fn what_is_serialised_loads_as_the_same_value(#[case] config: Config) {
    let yaml = serde_saphyr::to_string(&config).unwrap();
    assert_eq!(load(&yaml, &[]), Ok((config, vec![])), "{yaml}");
}

#[test]
fn without_a_file_it_is_what_the_registry_2_image_starts_with() {
    let expected = Config {
        storage: Storage {
            filesystem: Filesystem { rootdirectory: "/var/lib/registry".into() },
            delete: Delete { enabled: true },
        },
        http: Http {
            debug: Some(DebugListener {
                addr: ListenAddress::any(5001),
                prometheus: Prometheus { enabled: true, path: "/metrics".into() },
            }),
            ..minimal().http
        },
        ..minimal()
    };
    assert_eq!(Config::load(None, owned(&[])), Ok((expected, vec![])));
}

#[test]
fn a_minimal_file_has_safe_defaults() {
    assert_eq!(load(MINIMAL, &[]), Ok((minimal(), vec![])));
}

#[test]
fn variables_are_written_over_the_file() {
    let variables = [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Team registry"),
        ("REGISTRY_ENTREPOT_AUTH_MANAGED_PATH", "/auth/managed"),
        ("REGISTRY_ENTREPOT_AUTH_MANAGED_PULLONLY", "[pull, 123]"),
        ("REGISTRY_ENTREPOT_HTTP_SECRETFILE", "/keys/http-secret"),
        ("REGISTRY_ENTREPOT_TLS_CERTIFICATES_0_CERTIFICATE", "/tls/a.crt"),
        ("REGISTRY_ENTREPOT_TLS_CERTIFICATES_0_KEY", "/tls/a.key"),
        ("REGISTRY_ENTREPOT_TLS_CERTIFICATES_1", "{certificate: /tls/b.crt, key: /tls/b.key}"),
        ("REGISTRY_HTTP_ADDR", ":5443"),
        ("REGISTRY_HTTP_DEBUG_ADDR", "'[::1]:5001'"),
        ("REGISTRY_HTTP_DEBUG_PROMETHEUS", "{enabled: on, path: /m}"),
        ("REGISTRY_HTTP_DRAINTIMEOUT", "1.5s"),
        ("REGISTRY_HTTP_HOST", "https://registry.example.com/"),
        ("REGISTRY_HTTP_RELATIVEURLS", "yes"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/tls/main.crt"),
        ("REGISTRY_HTTP_TLS_KEY", "/tls/main.key"),
        ("REGISTRY_LOG_ACCESSLOG_DISABLED", "true"),
        ("REGISTRY_LOG_FORMATTER", "json"),
        ("REGISTRY_LOG_LEVEL", "debug"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
    ];
    assert_eq!(load(MINIMAL, &variables), Ok((full(), vec![])));
}

#[test]
fn choosing_the_storage_keeps_what_is_beneath_it() {
    let yaml = "version: 0.1\nstorage: {s3: {bucket: b}, filesystem: {rootdirectory: /data}, delete: {enabled: yes}}";
    let expected =
        Config { storage: Storage { delete: Delete { enabled: true }, ..minimal().storage }, ..minimal() };
    assert_eq!(load(yaml, &[("REGISTRY_STORAGE", "filesystem")]), Ok((expected, vec![])));
}

#[test]
fn a_secret_keeps_its_spelling_and_is_not_shown() {
    let (config, _) = load(MINIMAL, &[("REGISTRY_HTTP_SECRET", "00123")]).unwrap();
    let secret = config.http.secret.clone().unwrap();
    assert_eq!(secret.expose(), "00123");
    assert!(!format!("{config:?}").contains("00123"));
}

#[test]
fn what_has_no_effect_is_said() {
    let yaml = "\
version: 0.1
log: {fields: {service: registry}, formatter: logstash, colour: red}
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: /data, maxthreads: 100}}
http:
  headers: {X-Content-Type-Options: [nosniff]}
  debug: {prometheus: {enabled: true}}
health: {storagedriver: {enabled: true}}
";
    let variables = [
        ("REGISTRY_FOO", "bar"),
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/root"),
    ];
    let (config, warnings) = load(yaml, &variables).unwrap();
    let log = Log { formatter: Formatter::Json, ..minimal().log };
    assert_eq!(config, Config { log, ..minimal() });
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "environment variable REGISTRY_FOO names no key of the configuration and has no effect",
            "line 2: log.formatter logstash is not supported; logs are written as json",
            "line 2: log.fields has no effect here",
            "line 2: log.colour is not a known key and has no effect",
            "line 3: storage.filesystem.maxthreads has no effect here",
            "line 3: storage.cache has no effect here",
            "line 6: http.debug has no addr, so no debug listener is started",
            "line 5: http.headers has no effect here",
            "line 7: health has no effect here",
        ]
    );
}

#[rstest]
#[case::token(
    "auth: {token: {realm: https://auth.example.com}}",
    "line 5: auth.token is not supported: this server authenticates by auth.htpasswd"
)]
#[case::empty_auth(
    "auth:",
    "auth.htpasswd is missing: name the file in auth.htpasswd.path, or remove `auth` to let anybody in"
)]
#[case::htpasswd_without_path("auth: htpasswd", "auth.htpasswd.path is missing: name the htpasswd file")]
#[case::typo(
    "auth: {htpasswd: {path: /a, relm: x}}",
    "line 5: auth.htpasswd.relm is not a key of the configuration; known here: realm, path"
)]
#[case::quote_in_realm(
    "auth: {htpasswd: {path: /a, realm: 'a\"b'}}",
    "line 5: auth.htpasswd.realm must be printable ASCII without quotes and backslashes"
)]
#[case::unknown_top(
    "storag: x",
    "line 5: storag is not a key of the configuration; known here: version, log, storage, auth, http, entrepot"
)]
#[case::proxy(
    "proxy: {remoteurl: https://a}",
    "line 5: proxy is not supported: this server does not mirror another one; remove the key"
)]
#[case::client_certificates(
    "http: {tls: {certificate: /a, key: /b, clientcas: [/c]}}",
    "line 5: http.tls.clientcas is not supported: client certificates are not checked; use auth.htpasswd"
)]
#[case::half_a_pair(
    "http: {tls: {certificate: /a}}",
    "http.tls.key is missing: a certificate and its key are named together"
)]
#[case::relative(
    "http: {tls: {certificate: a, key: /b}}",
    "line 5: http.tls.certificate must be an absolute path"
)]
#[case::address(
    "http: {addr: 5000}",
    "line 5: http.addr must be HOST:PORT or :PORT, with a port from 0 to 65535, an IPv6 host in square brackets"
)]
#[case::duration(
    "http: {draintimeout: 30}",
    "line 5: http.draintimeout must be a duration such as 30s, 1m30s or 500ms"
)]
#[case::level("log: {level: loud}", "line 5: log.level must be one of error, warn, warning, info, debug")]
#[case::boolean(
    "log: {accesslog: {disabled: maybe}}",
    "line 5: log.accesslog.disabled must be true or false"
)]
#[case::ours(
    "entrepot: {gc: {}}",
    "line 5: entrepot.gc is not a key of the configuration; known here: http, tls, auth"
)]
#[case::two_secrets(
    "http: {secret: x}\nentrepot: {http: {secretFile: /x}}",
    "line 6: entrepot.http.secretFile and http.secret exclude each other"
)]
#[case::no_default_certificate(
    "entrepot: {tls: {certificates: [{certificate: /a, key: /b}]}}",
    "http.tls is missing: entrepot.tls.certificates adds to a default certificate; name that, for example /a, in http.tls"
)]
#[case::no_map("http: [1]", "line 5: http must hold keys and values")]
#[case::no_list("entrepot: {tls: {certificates: x}}", "line 5: entrepot.tls.certificates must be a list")]
#[case::several(
    "http: {addr: x}\nlog: {level: x}",
    "line 6: log.level must be one of error, warn, warning, info, debug\nline 5: http.addr must be HOST:PORT or :PORT, with a port from 0 to 65535, an IPv6 host in square brackets"
)]
fn what_is_wrong_is_said_with_its_line(#[case] more: &str, #[case] expected: &str) {
    let error = load(&format!("{MINIMAL}{more}\n"), &[]).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[rstest]
#[case::no_version(
    "storage: filesystem",
    &[],
    "version is missing: begin the file with `version: 0.1`"
)]
#[case::version("version: 0.2\nstorage: filesystem", &[], "line 1: version must be 0.1")]
#[case::no_storage(
    "version: 0.1",
    &[],
    "storage.filesystem is missing: write `storage: {filesystem: {rootdirectory: /var/lib/registry}}`"
)]
#[case::s3(
    MINIMAL,
    &[("REGISTRY_STORAGE_S3_BUCKET", "b")],
    "environment variable REGISTRY_STORAGE_S3_BUCKET: storage.s3 is not supported: this server stores in a filesystem; write storage.filesystem"
)]
#[case::token(
    MINIMAL,
    &[("REGISTRY_AUTH", "token")],
    "environment variable REGISTRY_AUTH: auth.token is not supported: this server authenticates by auth.htpasswd"
)]
#[case::read_only(
    MINIMAL,
    &[("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true")],
    "environment variable REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: storage.maintenance.readonly is not supported: this server cannot be made read-only; remove the key"
)]
#[case::read_only_maybe(
    MINIMAL,
    &[("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "maybe")],
    "environment variable REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: storage.maintenance.readonly.enabled must be true or false"
)]
#[case::not_yaml(
    MINIMAL,
    &[("REGISTRY_HTTP_SECRET", "@s3cret")],
    "environment variable REGISTRY_HTTP_SECRET: the value is not valid YAML; put it in single quotes if it is plain text"
)]
#[case::gap(
    MINIMAL,
    &[("REGISTRY_ENTREPOT_TLS_CERTIFICATES_0_KEY", "/k"), ("REGISTRY_ENTREPOT_TLS_CERTIFICATES_2_KEY", "/k")],
    "environment variable REGISTRY_ENTREPOT_TLS_CERTIFICATES_2_KEY: the list has 1 entries, so the next index is 1\nentrepot.tls.certificates[0].certificate is missing: a certificate and its key are named together"
)]
fn what_is_wrong_is_said_with_its_variable(
    #[case] yaml: &str,
    #[case] variables: &[(&str, &str)],
    #[case] expected: &str,
) {
    let error = load(yaml, variables).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_switched_off_is_not_asked_for() {
    let off = load(&format!("{MINIMAL}  maintenance: {{readonly: {{enabled: false}}}}\n"), &[]);
    assert_eq!(off, Ok((minimal(), vec![])));
}
