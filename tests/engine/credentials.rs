//! Credentials as `nsc` writes them: a JWT of the user, signed by an account, and the user's seed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use groupcast::net::engine::{Engine, EngineError};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::client::Client;
use crate::servers::Servers;
use crate::start::open;

/// Kind of a key of NATS: the first byte of its name
/// (<https://github.com/nats-io/nkeys>).
const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;
const SEED: u8 = 18 << 3;

/// A key with a name, as NATS has them.
struct NamedKey {
    pair: Ed25519KeyPair,
    name: String,
    seed: String,
}

impl NamedKey {
    /// Makes the key of a kind from 32 bytes.
    fn new(kind: u8, bytes: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&bytes).unwrap();
        let name = encoded(&[&[kind], pair.public_key().as_ref()].concat());
        let seed = encoded(&[&[SEED | (kind >> 5), (kind & 31) << 3], &bytes[..]].concat());
        Self { pair, name, seed }
    }

    /// Signs claims about `subject`.
    fn sign(&self, subject: &Self, nats: &Value) -> String {
        let claims = json!({
            "jti": "test", "iat": 1_700_000_000, "name": "test",
            "iss": self.name, "sub": subject.name, "nats": nats,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Appends a checksum (CRC-16/XMODEM), and encodes as base32 (RFC 4648) without padding.
fn encoded(bytes: &[u8]) -> String {
    let shifted = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    let add =
        |crc: u16, byte: &u8| (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| shifted(crc));
    let crc = bytes.iter().fold(0, add);
    let all = [bytes, &crc.to_le_bytes()].concat();
    let bits = |at: usize| (0..5).fold(0, |value, bit| value << 1 | bit_of(&all, at * 5 + bit));
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..(all.len() * 8).div_ceil(5)).map(|at| char::from(letters[bits(at)])).collect()
}

fn bit_of(bytes: &[u8], at: usize) -> usize {
    bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1))
}

/// A file of credentials.
fn credentials(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[test]
fn a_user_of_an_account_logs_in_with_a_jwt_and_another_account_has_no_such_user() {
    let (operator, account) = (NamedKey::new(OPERATOR, [1; 32]), NamedKey::new(ACCOUNT, [2; 32]));
    let (user, other) = (NamedKey::new(USER, [3; 32]), NamedKey::new(ACCOUNT, [4; 32]));
    // The system account has no streams.
    let of = |key, streams: i32| {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1, "mem_storage": 0,
            "disk_storage": streams, "streams": streams, "consumer": streams,
        });
        operator.sign(key, &json!({ "type": "account", "version": 2, "limits": limits }))
    };
    let of_operator = operator.sign(&operator, &json!({ "type": "operator", "version": 2 }));
    let system = NamedKey::new(ACCOUNT, [6; 32]);
    let rights = json!({
        "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
        "pub": { "allow": ["$JS.API.STREAM.*.GC_g", "$JS.API.STREAM.MSG.GET.GC_g",
            "groupcast.g.log", "groupcast.g.snap"] },
        "sub": { "allow": ["groupcast.g.feed.>", "groupcast.g.inbox.>"] },
    });
    let further = format!(
        "operator: {of_operator}\nsystem_account: {}\nresolver: MEMORY\n\
         resolver_preload {{ {}: {}, {}: {} }}",
        system.name,
        system.name,
        of(&system, 0),
        account.name,
        of(&account, -1),
    );
    let Some(servers) = Servers::start(1, &further) else { return };
    let mut options = servers.options();
    for wrong in [
        credentials(&other.sign(&user, &rights), &user.seed),
        credentials(&account.sign(&user, &rights), &NamedKey::new(USER, [5; 32]).seed),
    ] {
        options.credentials = Some(wrong);
        let error = open(&options).unwrap_err();
        assert!(matches!(error, EngineError::Unauthorized { .. }), "{error}");
    }
    options.credentials = Some(credentials(&account.sign(&user, &rights), &user.seed));
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    assert_eq!(client.caught_up(), 0);
    assert_eq!(client.store(b"one"), 1);
    assert!(!format!("{options:?}").contains(&user.seed));
}
