//! The coordinator's access file.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use groupcast::access::{AccessRule, CaCheck, Credentials, Identity, OwnedIds, Proof, Who};
use groupcast::config::{AccessFile, ConfigError, Fifos, PossibleProofs};
use groupcast::protocol::{KeyName, PeerName, SecretName};
use groupcast::time::UnixMillis;

use super::config_file;

/// Checks the bytes as an access file of coordinators without TLS, with TLS, and with a CA.
pub fn check(bytes: &[u8]) {
    let plain = config_file::check(bytes, |path| load(path, PossibleProofs::Addresses));
    let keys = config_file::check(bytes, |path| load(path, PossibleProofs::Keys));
    let all = config_file::check(bytes, |path| load(path, PossibleProofs::KeysAndCertificates));
    for (fewer, more) in [(&plain, &keys), (&keys, &all)] {
        assert!(fewer.is_none() || fewer == more, "a file means the same with more proofs");
    }
    let Some(file) = all else { return };
    let text: String = file.rules.iter().map(|rule| format!("{rule}\n")).collect();
    let path = config_file::path();
    fs::write(&path, text).expect("the file can be written");
    assert_eq!(load(&path, PossibleProofs::KeysAndCertificates).as_ref(), Ok(&file));
    check_order(&file.rules);
}

/// Checks that the order of the rules has no effect, and that each rule lets its client in if it
/// stands alone.
fn check_order(rules: &[AccessRule]) {
    let table = AccessFile { rules: rules.to_vec() }.into_table();
    let turned = AccessFile { rules: rules.iter().rev().cloned().collect() }.into_table();
    let nobody = OwnedIds::default();
    for rule in rules {
        let id = match &rule.who {
            Who::Id(id) | Who::Prefix(id) if !id.is_empty() => &**id,
            Who::Id(_) | Who::Prefix(_) => "x",
            Who::Operator => "@operator",
        };
        let names = [id.to_owned()].into();
        let (ip, credentials, secret) = client_for(rule.proof, names);
        let identity = Identity { ip, credentials: &credentials, secret };
        if rule.who == Who::Operator {
            assert!(table.is_operator(&identity) && turned.is_operator(&identity), "{rule}");
            continue;
        }
        let alone = AccessFile { rules: vec![rule.clone()] }.into_table();
        assert_eq!(alone.decide(&identity, id, None, &nobody), Ok(rule.rights), "{rule}");
        for owner in [None, Some(PeerName::Address(identity.ip))] {
            let decision = table.decide(&identity, id, owner, &nobody);
            assert_eq!(decision, turned.decide(&identity, id, owner, &nobody), "{rule}");
        }
    }
}

/// Returns the address, the credentials and the secret of a client that gives a proof.
fn client_for(proof: Proof, names: Box<[String]>) -> (IpAddr, Credentials, Option<SecretName>) {
    let (mut ip, mut shown, mut secret) = ([10, 0, 0, 1].into(), [1; 32], None);
    match proof {
        Proof::Key(key) => shown = key.0,
        Proof::Secret(name) => secret = Some(name),
        Proof::Address(range) => {
            let text = range.to_string();
            ip = text.split('/').next().and_then(|ip| ip.parse().ok()).expect("an address");
        }
        Proof::Ca | Proof::Anyone => (),
    }
    let until = UnixMillis::END_OF_9999;
    let credentials = Credentials::of_key(KeyName(shown), CaCheck::Valid { names, until });
    (ip, credentials, secret)
}

fn load(path: &Path, possible: PossibleProofs) -> Result<AccessFile, ConfigError> {
    let loaded = AccessFile::load(path, possible, Fifos::Refused);
    loaded.inspect_err(config_file::check_hidden)
}
