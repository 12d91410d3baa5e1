//! The keys files of both programs.

use std::fs;
use std::path::Path;

use groupcast::config::{
    ConfigError, CoordinatorKeys, CoordinatorTrust, Invitation, ParticipantKeys, SecretPem,
};
use groupcast::protocol::KeyName;

use super::config_file;

const BESIDE: &str = "-----BEGIN CERTIFICATE-----\nbeside==\n-----END CERTIFICATE-----\n";

/// Values of a participant's file, which can be compared.
#[derive(Debug, PartialEq, Eq)]
struct Revealed {
    trust: CoordinatorTrust,
    secret: Option<String>,
    own: Option<String>,
}

/// Checks the bytes as the keys file of a coordinator and of a participant.
pub fn check(bytes: &[u8]) {
    if let Some(pem) = config_file::check(bytes, load_coordinator) {
        assert_eq!(sorted(pem.replace(BESIDE, "").lines()), sorted(simple_pem(bytes)));
        fs::write(config_file::path(), &pem).expect("the file can be written");
        assert_eq!(load_coordinator(&config_file::path()), Ok(pem));
    }
    let Some(revealed) = config_file::check(bytes, load_participant) else { return };
    assert_eq!(sorted(revealed.own.iter().flat_map(|own| own.lines())), sorted(simple_pem(bytes)));
    fs::write(config_file::path(), text_of(&revealed)).expect("the file can be written");
    assert_eq!(load_participant(&config_file::path()), Ok(revealed));
    if let Some(line) = std::str::from_utf8(bytes).ok().map(str::trim)
        && let Some(invitation) = Invitation::parse(line)
    {
        assert_eq!(invitation.reveal(), line);
    }
}

/// Returns the lines of PEM in a valid file, without the certificate of [`BESIDE`].
fn simple_pem(bytes: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(bytes).expect("a valid file is UTF-8");
    let mut is_inside = false;
    let lines = text
        .split('\n')
        .map(|line| line.trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace()));
    let lines = lines.filter(|line| {
        let was_inside = is_inside;
        is_inside =
            (is_inside || line.starts_with("-----BEGIN ")) && !line.starts_with("-----END ");
        (was_inside || is_inside) && !line.is_empty()
    });
    lines.collect()
}

fn sorted<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<&str> = lines.into_iter().collect();
    lines.sort_unstable();
    lines
}

fn load_coordinator(path: &Path) -> Result<String, ConfigError> {
    let bytes = fs::read(path).expect("the file was written");
    let beside = || Ok(SecretPem::from(BESIDE.to_owned()));
    let keys = CoordinatorKeys::parse(path, &bytes, beside);
    let pem = keys.map(|keys| keys.pem.reveal().to_owned());
    pem.inspect_err(config_file::check_hidden)
}

fn load_participant(path: &Path) -> Result<Revealed, ConfigError> {
    let bytes = fs::read(path).expect("the file was written");
    let keys = ParticipantKeys::parse(path, &bytes).inspect_err(config_file::check_hidden)?;
    let ParticipantKeys { trust, secret, own } = keys;
    let secret = secret.map(|secret| secret.reveal().to_owned());
    Ok(Revealed { trust, secret, own: own.map(|own| own.reveal().to_owned()) })
}

/// Returns the text of a file with these values.
fn text_of(revealed: &Revealed) -> Vec<u8> {
    let Revealed { trust, secret, own } = revealed;
    let mut lines = Vec::new();
    match (trust, secret) {
        (CoordinatorTrust::Keys(keys), secret) => {
            let hex = |key: &KeyName| key.to_string().replace("sha256:", "");
            let invited = secret.as_ref().and_then(|secret| Some((keys.first()?, secret)));
            lines.extend(invited.map(|(key, secret)| format!("gc1:{}:{secret}\n", hex(key))));
            lines.extend(keys.iter().map(|key| format!("coordinator={key}\n")));
        }
        (CoordinatorTrust::Ca { file, name }, None) => {
            lines.push(format!("ca={} name={name}\n", file.display()));
        }
        (CoordinatorTrust::Ca { .. }, Some(_)) => unreachable!("an invitation names a key"),
    }
    let text = lines.concat().into_bytes();
    match own {
        Some(own) => ParticipantKeys::with_own_key(&text, &SecretPem::from(own.clone())),
        None => text,
    }
}
