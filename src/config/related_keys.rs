//! Checks keys of the coordinator's config that need each other.

use std::net::SocketAddr;

use super::coordinator_file::WrittenKeys;
use super::{ConfigError, CoordinatorConfig, FoundValue, HttpConfig, value};

/// Checks all keys that need each other. `written` is the keys that were given.
pub(super) fn check(
    config: &CoordinatorConfig,
    written: &mut WrittenKeys,
) -> Result<(), ConfigError> {
    check_backlog(config, written)?;
    check_sync(written)?;
    check_ca(written)?;
    check_http(config, written)
}

/// Checks that `max_backlog` has room for two lines. The default backlog always has: see
/// `limits`.
fn check_backlog(config: &CoordinatorConfig, written: &mut WrittenKeys) -> Result<(), ConfigError> {
    let lowest = value::wide(config.max_line).saturating_mul(2);
    match written.remove("max_backlog") {
        Some((location, text)) if config.max_backlog < lowest => Err(ConfigError::Field {
            location,
            field: "max_backlog",
            found: FoundValue::Text(text),
            expected: format!("at least {}, twice max_line", value::show_size(lowest)),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Checks that `sync` is not given without `data_dir`. With an empty `data_dir`, `sync` has no
/// effect and is valid.
fn check_sync(written: &mut WrittenKeys) -> Result<(), ConfigError> {
    match written.remove("sync") {
        Some((location, text)) if !written.contains_key("data_dir") => Err(ConfigError::Field {
            location,
            field: "sync",
            found: FoundValue::Text(text),
            expected: "data_dir too: without data_dir nothing is kept on disk".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Checks that `ca` is not given without `tls`.
fn check_ca(written: &mut WrittenKeys) -> Result<(), ConfigError> {
    match written.remove("ca") {
        Some((location, text)) if !text.is_empty() && !written.contains_key("tls") => {
            Err(ConfigError::Field {
                location,
                field: "ca",
                found: FoundValue::Text(text),
                expected: "tls too: without tls clients show no certificates".to_owned(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that `http` asks for a token if there are access rules, and others can reach it.
fn check_http(config: &CoordinatorConfig, written: &mut WrittenKeys) -> Result<(), ConfigError> {
    let HttpConfig { listen, ref token_file, .. } = config.http;
    let is_reachable = listen.is_some_and(|address| !address.ip().to_canonical().is_loopback());
    let is_same = |http: SocketAddr| {
        let (ip, own) = (http.ip().to_canonical(), config.listen.ip().to_canonical());
        let overlaps = ip == own || ip.is_unspecified() || own.is_unspecified();
        http.port() == config.listen.port() && http.port() != 0 && overlaps
    };
    match written.remove("http") {
        Some((location, text)) if listen.is_some_and(is_same) => Err(ConfigError::Field {
            location,
            field: "http",
            found: FoundValue::Text(text),
            expected: "another port than that of the group".to_owned(),
        }),
        Some((location, text))
            if is_reachable && config.security.access.is_some() && token_file.is_none() =>
        {
            Err(ConfigError::Field {
                location,
                field: "http",
                found: FoundValue::Text(text),
                expected: "an address of loopback, or http_token_file too: there are access rules"
                    .to_owned(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{ConfigSource, SecurityConfig, StorageConfig};
    use crate::limits::SyncPolicy;

    const DEFAULT: CoordinatorConfig = CoordinatorConfig::new(5000, 60);

    fn parse(text: &str, options: &[(&'static str, &str)]) -> Result<CoordinatorConfig, String> {
        let key = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        let keys = options.iter().map(key).collect();
        let source = ConfigSource { file: Some("c.txt".into()), keys, ..ConfigSource::default() };
        source.parse(Some(text.as_bytes())).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check(
        text: &str,
        options: &[(&'static str, &str)],
        expected: Result<CoordinatorConfig, &str>,
    ) {
        assert_eq!(parse(text, options), expected.map_err(str::to_owned));
    }

    fn with_storage(data_dir: Option<PathBuf>, sync: SyncPolicy) -> CoordinatorConfig {
        let storage = StorageConfig {
            data_dir,
            sync,
            #[cfg(feature = "engine")]
            engine: DEFAULT.storage.engine,
        };
        CoordinatorConfig { storage, ..DEFAULT }
    }

    #[test]
    fn ca_needs_tls() {
        let expected = "expected tls too: without tls clients show no certificates";
        check("5000\n60\nca=a\n", &[], Err(&format!("c.txt:3: ca: found \"a\", {expected}")));
        check("5000\n60\n", &[("ca", "a")], Err(&format!("--ca: found \"a\", {expected}")));
        check("5000\n60\nca=\n", &[], Ok(DEFAULT));
        let (tls, ca) = (Some("k".into()), Some("a".into()));
        let security = SecurityConfig { tls, ca, ..DEFAULT.security };
        let with_tls = CoordinatorConfig { security, ..DEFAULT };
        check("5000\n60\nca=a\ntls=k\n", &[], Ok(with_tls.clone()));
        check("5000\n60\nca=a\n", &[("tls", "k")], Ok(with_tls));
    }

    #[test]
    fn http_with_access_rules_needs_loopback_or_a_token() {
        let expected = "expected an address of loopback, or http_token_file too: there are access \
                        rules";
        let wrong = format!("c.txt:3: http: found \"0.0.0.0:90\", {expected}");
        check("5000\n60\nhttp=0.0.0.0:90\naccess=a\n", &[], Err(&wrong));
        let wrong = format!("--http: found \"[::]:90\", {expected}");
        check("5000\n60\naccess=a\n", &[("http", "[::]:90")], Err(&wrong));
        let with = |listen: &str, token_file: Option<&str>, access: Option<&str>| {
            let listen = Some(listen.parse().unwrap());
            let token_file = token_file.map(Into::into);
            let access = access.map(Into::into);
            CoordinatorConfig {
                security: SecurityConfig { access, ..DEFAULT.security },
                http: HttpConfig { listen, token_file, ..DEFAULT.http },
                ..DEFAULT
            }
        };
        let lines = "5000\n60\nhttp=0.0.0.0:90\n";
        check(lines, &[], Ok(with("0.0.0.0:90", None, None)));
        let options = [("access", "a"), ("http_token_file", "t")];
        check(lines, &options, Ok(with("0.0.0.0:90", Some("t"), Some("a"))));
        let own = with("127.0.0.1:90", None, Some("a"));
        check("5000\n60\nhttp=90\naccess=a\n", &[], Ok(own.clone()));
        check("5000\n60\nhttp=127.0.0.1:90\naccess=a\n", &[], Ok(own));
        check("5000\n60\nhttp=\n", &[], Ok(DEFAULT));
        let error = parse("5000\n60\nhttp=5000\n", &[]).unwrap_err();
        assert!(error.ends_with("expected another port than that of the group"), "{error}");
        for wrong in ["a", "70000", "localhost:90", "127.0.0.1", ":90"] {
            let expected = "expected a port, or an address with a port such as";
            let begin = format!("c.txt:3: http: found \"{wrong}\", {expected}");
            let error = parse(&format!("5000\n60\nhttp={wrong}\n"), &[]).unwrap_err();
            assert!(error.starts_with(&begin), "{error}");
        }
    }

    #[test]
    fn sync_needs_a_data_dir() {
        let expected = "expected data_dir too: without data_dir nothing is kept on disk";
        let wrong = format!("c.txt:3: sync: found \"always\", {expected}");
        check("5000\n60\nsync=always\n", &[], Err(&wrong));
        let wrong = format!("--sync: found \"never\", {expected}");
        check("5000\n60\n", &[("sync", "never")], Err(&wrong));
        check("5000\n60\nsync=10ms\n", &[("sync", "never")], Err(&wrong));
        let with_data_dir = with_storage(Some("d".into()), SyncPolicy::Always);
        check("5000\n60\ndata_dir=d\n", &[], Ok(with_data_dir.clone()));
        let with_data_dir = with_storage(Some("d".into()), SyncPolicy::Never);
        check("5000\n60\nsync=never\ndata_dir=d\n", &[], Ok(with_data_dir.clone()));
        check("5000\n60\nsync=never\n", &[("data_dir", "d")], Ok(with_data_dir.clone()));
        check("5000\n60\ndata_dir=d\n", &[("sync", "never")], Ok(with_data_dir));
        let off = with_storage(None, SyncPolicy::Never);
        check("5000\n60\nsync=never\ndata_dir=d\n", &[("data_dir", "")], Ok(off));
    }

    #[test]
    fn the_backlog_has_room_for_two_of_the_longest_lines() {
        let fits = CoordinatorConfig { max_backlog: 2048, max_line: 1024, ..DEFAULT };
        check("5000\n60\nmax_line=1k\nmax_backlog=2k\n", &[], Ok(fits.clone()));
        check("5000\n60\nmax_backlog=2k\n", &[("max_line", "1k")], Ok(fits));
        check(
            "5000\n60\nmax_backlog=2047\nmax_line=1k\n",
            &[],
            Err("c.txt:3: max_backlog: found \"2047\", expected at least 2k, twice max_line"),
        );
        check(
            "5000\n60\nmax_backlog=64m\nmax_line=1k\n",
            &[("max_backlog", "100k"), ("max_line", "64k")],
            Err("--max-backlog: found \"100k\", expected at least 128k, twice max_line"),
        );
        let most = CoordinatorConfig { max_line: 16 << 20, ..DEFAULT };
        check("5000\n60\nmax_line=16m\n", &[], Ok(most));
        check(
            "5000\n60\n",
            &[("max_backlog", "128k")],
            Ok(CoordinatorConfig { max_backlog: 128 << 10, ..DEFAULT }),
        );
    }
}
