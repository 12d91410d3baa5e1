//! Certificates: kinds of keys, pins, proofs of possession, and chains to a CA.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::peers::{Peer, pem_identity};
use super::*;

/// A CA of a company.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

fn ca(name: &str) -> Ca {
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap().pem();
    Ca { issuer: Issuer::new(params, key), certificate }
}

impl Ca {
    fn roots(&self) -> CaRoots {
        CaRoots::from_pem(self.certificate.as_bytes()).unwrap()
    }

    /// Returns a certificate with its key, valid in 2025 and 2026, after `change`.
    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> TlsIdentity {
        let key = KeyPair::generate().unwrap();
        pem_identity(&[&self.sign_key(names, &key, change), &key.serialize_pem()])
    }

    fn sign_key(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        change(&mut params);
        params.signed_by(key, &self.issuer).unwrap().pem()
    }
}

/// Returns the statements of `roots` about a client, at the time `now`.
fn certified(
    client: &TlsIdentity,
    roots: &CaRoots,
    now: UnixMillis,
) -> Result<Certified, ChainFault> {
    let mut pair = Pair::new(client, &identity(&COORDINATOR), Trust::AnyKey);
    assert_eq!(pair.shake(), [Ok(true), Ok(true)], "the handshake asks no CA");
    assert_eq!(pair.server.peer_key(), Some(client.key_name()));
    roots.certify(pair.server.peer_certificates(), now)
}

const YEAR: u64 = 365 * 24 * 3600 * 1000;
const END_OF_2026: UnixMillis = UnixMillis(NOW.0 + YEAR);

#[test]
fn all_kinds_of_keys_are_accepted_on_both_sides() {
    let mut identities = vec![pem_identity(&[include_str!("keys/rsa_2048.pem")])];
    for algorithm in
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519]
    {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        identities.push(pem_identity(&[&certificate, &key.serialize_pem()]));
    }
    for client in &identities {
        for server in &identities {
            let trust = Trust::Keys(vec![server.key_name()]);
            let mut pair = Pair::new(client, server, trust);
            assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
            assert_eq!(pair.server.peer_key(), Some(client.key_name()));
        }
    }
}

#[test]
fn a_client_sends_nothing_to_a_server_with_another_key() {
    for keys in [vec![], vec![MALLORY.name], vec![ALICE.name, MALLORY.name]] {
        let (alice, coordinator) = (identity(&ALICE), identity(&COORDINATOR));
        let mut pair = Pair::new(&alice, &coordinator, Trust::Keys(keys));
        assert!(!pair.client.handshake().unwrap());
        assert!(!pair.server.handshake().unwrap());
        let error = TlsError::WrongKey(COORDINATOR.name);
        assert_eq!(reason(pair.client.handshake()), error);
        assert_eq!(reason(pair.client.write(b"secret")), error);
        assert_eq!(pair.client.peer_key(), None);
        // The server gets an alert, no certificate and no text.
        let error = pair.server.handshake().unwrap_err().to_string();
        assert!(error.starts_with("the peer ended TLS with the alert"), "{error}");
        assert_eq!(pair.server.peer_key(), None);
    }
}

#[test]
fn dates_and_names_of_pinned_keys_are_ignored() {
    let company = ca("company");
    let old = |params: &mut CertificateParams| params.not_after = date_time_ymd(1999, 1, 1);
    for server in [company.sign(&["wrong.example"], old), company.sign(&[], |_| ())] {
        let trust = Trust::Keys(vec![server.key_name()]);
        assert_eq!(Pair::new(&server, &server, trust).shake(), [Ok(true), Ok(true)]);
    }
}

#[test]
fn clients_without_a_certificate_are_accepted_and_have_no_key() {
    let mut peer = Peer::client(None);
    let mut server = peer.with_server(&identity(&COORDINATOR));
    peer.shake(&mut server).unwrap();
    assert_eq!(server.peer_key(), None);
    let certified = ca("company").roots().certify(server.peer_certificates(), NOW);
    assert_eq!(certified, Err(ChainFault::Missing));
    peer.write(b"text");
    assert_eq!(read_now(&mut server), b"text");
}

#[test]
fn a_client_that_does_not_hold_its_key_is_refused() {
    for (shown, key) in [(&*ALICE, &*MALLORY), (&*MALLORY, &*ALICE)] {
        let mut peer = Peer::client(Some((&shown.certificate, &key.private_key)));
        let mut server = peer.with_server(&identity(&COORDINATOR));
        let error = peer.shake(&mut server).unwrap_err();
        assert_eq!(error, "the peer does not hold the key of its certificate");
        assert_eq!(server.peer_key(), None);
        let error = read_all(&mut server).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_server_that_does_not_hold_its_key_is_refused() {
    let mut peer = Peer::server(&COORDINATOR.certificate, &MALLORY.private_key);
    let trust = Trust::Keys(vec![COORDINATOR.name]);
    let mut client = peer.with_client(&identity(&ALICE), trust);
    let error = peer.shake(&mut client).unwrap_err();
    assert_eq!(error, "the peer does not hold the key of its certificate");
    assert_eq!(client.peer_key(), None);
}

#[test]
fn a_ca_states_the_ids_and_the_end_of_a_certificate() {
    let company = ca("company");
    let uri = |params: &mut CertificateParams| {
        for uri in ["groupcast:Bob_2", "https://example.com/", "groupcast:"] {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
    };
    let client = company.sign(&["alice", "alice.example.com", "10.0.0.1"], uri);
    let certified = certified(&client, &company.roots(), NOW).unwrap();
    assert_eq!(certified.ids, ["alice", "alice.example.com", "Bob_2", ""]);
    assert_eq!(certified.until, UnixMillis(1_798_761_601_000), "2027-01-01T00:00:01Z");
}

#[test]
fn a_chain_holds_between_its_dates() {
    let company = ca("company");
    let (client, roots) = (company.sign(&["alice"], |_| ()), company.roots());
    let (start, end) = (NOW.0 - YEAR, END_OF_2026.0);
    for (now, expected) in [
        (0, Some(ChainFault::NotYetValid)),
        (start - 1, Some(ChainFault::NotYetValid)),
        (start, None),
        (end, None),
        (end + 999, None),
        (end + 1000, Some(ChainFault::Expired)),
        (u64::MAX, Some(ChainFault::Expired)),
    ] {
        assert_eq!(certified(&client, &roots, UnixMillis(now)).err(), expected, "{now}");
    }
}

#[test]
fn a_chain_may_have_a_ca_in_between_whose_end_counts_too() {
    let company = ca("company");
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "between");
    params.not_after = date_time_ymd(2026, 2, 1);
    let certificate = params.signed_by(&key, &company.issuer).unwrap().pem();
    let between = Ca { issuer: Issuer::new(params, key), certificate };
    let key = KeyPair::generate().unwrap();
    let own = between.sign_key(&["alice"], &key, |_| ());
    let with = pem_identity(&[&own, &between.certificate, &key.serialize_pem()]);
    let without = pem_identity(&[&own, &key.serialize_pem()]);
    let stated = certified(&with, &company.roots(), NOW).unwrap();
    assert_eq!(stated.until, UnixMillis(1_769_904_001_000), "2026-02-01T00:00:01Z");
    for (now, expected) in [(stated.until.0 - 1, None), (stated.until.0, Some(ChainFault::Expired))]
    {
        assert_eq!(certified(&with, &company.roots(), UnixMillis(now)).err(), expected);
    }
    let missing = certified(&without, &company.roots(), NOW);
    assert_eq!(missing, Err(ChainFault::UnknownIssuer));
}

#[test]
fn chains_to_other_cas_and_of_other_uses_are_faults() {
    let (company, other) = (ca("company"), ca("other"));
    let namesake = ca("company");
    let server_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let is_ca = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let critical = |params: &mut CertificateParams| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    };
    for (client, expected) in [
        (company.sign(&["alice"], |_| ()), None),
        (other.sign(&["alice"], |_| ()), Some(ChainFault::UnknownIssuer)),
        (namesake.sign(&["alice"], |_| ()), Some(ChainFault::UnknownIssuer)),
        (identity(&ALICE), Some(ChainFault::UnknownIssuer)),
        (company.sign(&["alice"], server_only), Some(ChainFault::WrongUsage)),
        (company.sign(&["alice"], is_ca), Some(ChainFault::WrongUsage)),
    ] {
        assert_eq!(certified(&client, &company.roots(), NOW).err(), expected);
    }
    // Nobody can use a certificate with a demand that is not known.
    let key = KeyPair::generate().unwrap();
    let pem = [company.sign_key(&["alice"], &key, critical), key.serialize_pem()].concat();
    assert_eq!(TlsIdentity::from_pem(pem.as_bytes()).unwrap_err(), IdentityFault::BadCertificate);
}

#[test]
fn weak_signatures_of_cas_are_faults() {
    let in_2030 = UnixMillis(NOW.0 + 4 * YEAR);
    for (root, end) in [
        (include_str!("keys/weak_ca.pem"), include_str!("keys/weak_end.pem")), // RSA of 1024 bits.
        (include_str!("keys/sha1_ca.pem"), include_str!("keys/sha1_end.pem")),
    ] {
        let roots = CaRoots::from_pem(root.as_bytes()).unwrap();
        let end = CertificateDer::from_pem_slice(end.as_bytes()).unwrap();
        let certified = roots.certify([&*end].into_iter(), in_2030);
        assert!(matches!(certified, Err(ChainFault::Invalid | ChainFault::UnknownIssuer)));
    }
}

#[test]
fn a_client_asks_for_a_ca_and_a_name_before_it_sends_anything() {
    let (company, other) = (ca("company"), ca("other"));
    let good = company.sign(&["chat.example.com", "10.1.2.3"], |_| ());
    let old = |params: &mut CertificateParams| params.not_after = date_time_ymd(2025, 6, 1);
    let new = |params: &mut CertificateParams| params.not_before = date_time_ymd(2026, 6, 1);
    let client_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let sign = |change: fn(&mut CertificateParams)| company.sign(&["chat.example.com"], change);
    let name = "chat.example.com";
    for (server, roots, name, expected) in [
        (&good, &company, name, None),
        (&good, &company, "CHAT.example.com", None),
        (&good, &company, "10.1.2.3", None),
        (&good, &company, "example.com", Some(ChainFault::WrongName)),
        (&good, &company, "10.1.2.4", Some(ChainFault::WrongName)),
        (&good, &other, name, Some(ChainFault::UnknownIssuer)),
        (&identity(&COORDINATOR), &company, name, Some(ChainFault::UnknownIssuer)),
        (&sign(old), &company, name, Some(ChainFault::Expired)),
        (&sign(new), &company, name, Some(ChainFault::NotYetValid)),
        (&sign(client_only), &company, name, Some(ChainFault::WrongUsage)),
    ] {
        let trust = Trust::ca(roots.roots(), name).unwrap();
        let mut pair = Pair::new(&identity(&ALICE), server, trust);
        assert!(!pair.client.handshake().unwrap());
        assert!(!pair.server.handshake().unwrap());
        match expected {
            None => assert!(pair.client.handshake().unwrap()),
            Some(fault) => {
                let error = reason(pair.client.handshake());
                assert_eq!(error, TlsError::Chain(fault));
                assert!(!error.to_string().contains("example"), "a name is printed");
                assert_eq!(reason(pair.client.write(b"text")), TlsError::Chain(fault));
            }
        }
    }
    assert!(Trust::ca(company.roots(), "not a name").is_none());
}

#[test]
fn one_connection_may_have_another_trust() {
    let context = TlsContext::new();
    let side = context.client(&identity(&ALICE), Trust::Keys(vec![])).unwrap();
    let server = context.server(&identity(&COORDINATOR)).unwrap();
    for (key, is_trusted) in [(COORDINATOR.name, true), (MALLORY.name, false)] {
        let ([near, far], _) = wire();
        let side = side.trusting(Trust::Keys(vec![key]));
        let mut client = TlsStream::client(near, &side).unwrap();
        let mut server = TlsStream::server(far, &server).unwrap();
        assert!(!client.handshake().unwrap() && !server.handshake().unwrap());
        assert_eq!(client.handshake().is_ok_and(|done| done), is_trusted);
    }
}

#[test]
fn a_chain_of_many_certificates_is_refused_without_a_search() {
    let company = ca("company");
    let client = company.sign(&["alice"], |_| ());
    let further = CertificateDer::from_pem_slice(ca("other").certificate.as_bytes()).unwrap();
    let mut pair = Pair::new(&client, &identity(&COORDINATOR), Trust::AnyKey);
    assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
    let own = pair.server.peer_certificates().next().unwrap();
    for (count, expected) in [(4, None), (5, Some(ChainFault::Invalid))] {
        let chain = std::iter::once(own).chain(std::iter::repeat_n(&*further, count));
        assert_eq!(company.roots().certify(chain, NOW).err(), expected, "{count} further ones");
    }
}
